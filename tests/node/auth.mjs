// Nobody gets in without a valid token, and each is told as the contract says.

import { Bystanders, Client, assert, assertNest, badTokens, forge, rest, run, step, thread, users, world } from "./lib.mjs";

/** Let in, told nothing, disconnected: what the original's clients know how to read. */
async function assertShownOut(name, options) {
  const client = new Client(undefined, options);
  const [reason] = await client.next("(disconnect)");
  assert.equal(reason, "io server disconnect", name);
  assert.deepEqual(client.heard.map(({ event }) => event), ["(connect)", "(disconnect)"], name);
}

step("a socket without a good token: connect, then disconnect by the server, nothing else", async () => {
  const bystanders = await Bystanders.start();
  const cases = {
    "no auth": { auth: {} },
    "null token": { auth: { token: null } },
    "empty token": { auth: { token: "" } },
    "a number": { auth: { token: 7 } },
    "an object": { auth: { token: { a: 1 } } },
    "an array of the token": { auth: { token: [users.alice.token] } },
    "Bearer in auth.token": { auth: { token: `Bearer ${users.alice.token}` } },
    "the token in the query alone": { auth: {}, query: { token: users.alice.token } },
    "a bad header": { auth: {}, extraHeaders: { Authorization: "Bearer garbage" } },
  };
  for (const [name, token] of Object.entries(badTokens(users.alice))) cases[name] = { auth: { token } };
  for (const [name, options] of Object.entries(cases)) await assertShownOut(name, options);
  await bystanders.chat();
});

step("what a stranger sends before being shown out does nothing", async () => {
  const { id: threadId } = await thread();
  const bob = await Client.of(users.bob);
  const mark = bob.mark();
  const stranger = new Client("garbage");
  stranger.socket.on("connect", () => {
    stranger.emit("joinThread", { threadId });
    stranger.emit("sendMessage", { threadId, content: "let me in" });
    stranger.emit("typing", { threadId, isTyping: true });
    stranger.emit("markAsRead", { threadId });
  });
  await stranger.next("(disconnect)");
  assert.deepEqual(stranger.heard.map(({ event }) => event), ["(connect)", "(disconnect)"]);
  await bob.settled();
  bob.hushed(mark);
  assert.deepEqual((await rest(users.bob, "GET", `/messaging/threads/${threadId}/messages`)).body, []);
});

step("a forged token is only refused for what is wrong with it", async () => {
  // The forger itself is sound: the same claims, signed with the right secret, are let in.
  const again = { ...users.alice, token: forge(users.alice) };
  await Client.of(again);
  assert.equal((await rest(again, "GET", "/messaging/threads")).status, 200);
});

if (!world.transports) {
  const ROUTES = [
    ["GET", "/messaging/threads"],
    ["POST", "/messaging/threads"],
    ["GET", "/api/messaging/threads"],
    ["GET", "/messaging/threads/0197f000-0000-7000-8000-000000000000"],
    ["GET", "/messaging/threads/0197f000-0000-7000-8000-000000000000/messages"],
    ["POST", "/messaging/threads/0197f000-0000-7000-8000-000000000000/messages"],
    ["PATCH", "/messaging/threads/0197f000-0000-7000-8000-000000000000/read"],
    ["PATCH", "/messaging/messages/0197f000-0000-7000-8000-000000000000/read"],
    ["PATCH", "/api/messaging/messages/not-an-id/read"],
  ];

  step("REST without a token", async () => {
    for (const [method, path] of ROUTES) {
      const body = method === "POST" ? { content: "x" } : undefined;
      const missing = "Authentication failed: No valid authorization header found";
      assertNest(await rest(undefined, method, path, body), 401, missing);
      for (const Authorization of ["Basic YWxpY2U6c2VjcmV0", "bearer lower case", users.alice.token]) {
        assertNest(await rest(undefined, method, path, body, { headers: { Authorization } }), 401, missing);
      }
      // White space at its end is no part of a header, so nothing is left of an empty token.
      const empty = await rest(undefined, method, path, body, { headers: { Authorization: "Bearer " } });
      assertNest(empty, 401, missing);
    }
  });

  step("REST with a bad token", async () => {
    for (const [name, token] of Object.entries(badTokens(users.alice))) {
      for (const [method, path] of ROUTES) {
        const answer = await rest(token, method, path, method === "POST" ? { content: "x" } : undefined);
        assertNest(answer, 401, /^Authentication failed: Token verification failed: ./);
        assert.ok(!answer.text.includes(token), `${name}: the token is not repeated`);
      }
    }
  });

  step("no token in the query of REST", async () => {
    assertNest(await rest(undefined, "GET", `/messaging/threads?token=${users.alice.token}`), 401);
  });
}

await run();
