// A token that runs out while its socket is open: the socket outlives it, for as long as is configured, and no longer.

import { setInterval } from "node:timers/promises";
import { Client, assert, assertNest, campaign, fence, post, rest, run, step, talkTo, world } from "./lib.mjs";
import { Served, tidings } from "./served.mjs";

const env = { JWT_SECRET: world.secret };
const lenient = await Served.start({ config: '[auth]\nleeway = "1s"\n', env });
const strict = await Served.start({ config: '[auth]\nleeway = "1s"\nsockets_outlive_tokens = "off"\n', env });

async function person(id, role, ttl) {
  const token = await tidings(lenient.cwd, env, "token", "mint", "--user", id, "--role", role, "--name", id, "--ttl", ttl);
  return { id, role, name: id, token };
}

const bob = await person("bob", "PROMOTER", "1h");

/** Waits until REST takes a token no more. */
async function expired(user) {
  let answer;
  // Asked now and then: a user has a budget of requests.
  for await (const _ of setInterval(50)) {
    answer = await rest(user, "GET", "/messaging/threads");
    if (answer.status !== 200) break;
  }
  assertNest(answer, 401, /^Authentication failed: Token verification failed: .*expired/);
}

for (const transports of [undefined, ["websocket"], ["polling"]]) {
  step(`over ${transports ?? "the default transports"}: a page goes on after its token has ended, and no new one begins with it`, async () => {
    talkTo(lenient);
    const alice = await person("alice", "ADVERTISER", "2s");
    const page = await Client.of(alice, { transports, reconnection: true, reconnectionDelay: 10 });
    const lasting = await Client.of(bob);
    const body = { campaignId: campaign(), promoterId: bob.id, advertiserId: alice.id };
    const { id: threadId } = (await rest(bob, "POST", "/messaging/threads", body)).body;
    await page.join(threadId);
    await expired(alice);
    const sent = await page.ask("sendMessage", { threadId, content: "my token has ended" });
    assert.equal(sent.success, true, JSON.stringify(sent));
    await lasting.next("newMessage", ({ content }) => content === "my token has ended");
    page.emit("typing", { threadId, isTyping: true });
    await lasting.next("userTyping", ({ isTyping }) => isTyping);
    await post(bob, threadId, "I can hear you");
    await page.next("newMessage", ({ content }) => content === "I can hear you");
    assert.deepEqual(page.all("(disconnect)"), []);
    const again = new Client(alice.token, { transports });
    await again.next("(disconnect)");
    assert.deepEqual(again.heard.map(({ event }) => event), ["(connect)", "(disconnect)"]);
    await page.settled();
  });
}

for (const transports of [["websocket"], ["polling"]]) {
  step(`over ${transports}, when it may not outlive it: heard until it ends, closed then, and not let in again`, async () => {
    talkTo(strict);
    const alice = await person("alice", "ADVERTISER", "3s");
    const body = { campaignId: campaign(), promoterId: bob.id, advertiserId: alice.id };
    const opened = await rest(alice, "POST", "/messaging/threads", body);
    assert.equal(opened.status, 201, opened.text);
    const threadId = opened.body.id;
    const brief = await Client.of(alice, { transports });
    const lasting = await Client.of(bob, { transports });
    await brief.join(threadId);
    await fence(threadId, bob, brief);
    brief.emit("typing", { threadId, isTyping: true });
    await lasting.next("userTyping", ({ isTyping }) => isTyping);
    // The transport goes, not just the session: so stock clients come back by themselves, with a new token if they have one.
    const [reason] = await brief.next("(disconnect)");
    assert.match(reason, /^transport (close|error)$/);
    await lasting.next("userTyping", ({ isTyping }) => !isTyping);
    const mark = brief.mark();
    // The other's socket is unharmed, and the closed one hears nothing more.
    await fence(threadId, bob, await Client.of(await person("alice", "ADVERTISER", "1h")));
    await lasting.settled();
    brief.hushed(mark);
    await expired(alice);
    const again = new Client(alice.token, { transports });
    await again.next("(disconnect)");
    assert.deepEqual(again.heard.map(({ event }) => event), ["(connect)", "(disconnect)"]);
  });
}

step("a client that asks for its token each time comes back by itself; one that does not is shown out once and stays out", async () => {
  const tokens = [(await person("dora", "ADVERTISER", "2s")).token, (await person("dora", "ADVERTISER", "1h")).token];
  const renews = new Client(undefined, { auth: (give) => give({ token: tokens.shift() }), reconnection: true, reconnectionDelay: 10 });
  await renews.next("connected");
  await renews.next("(disconnect)");
  await renews.next("connected");
  const { token } = await person("emil", "ADVERTISER", "2s");
  const keeps = new Client(token, { reconnection: true, reconnectionDelay: 10 });
  await keeps.next("connected");
  assert.match((await keeps.next("(disconnect)"))[0], /^transport (close|error)$/);
  assert.equal((await keeps.next("(disconnect)"))[0], "io server disconnect");
  await renews.settled();
  assert.equal(keeps.socket.active, false, "it does not try again and again");
});

step("of two sockets of one user, the one whose token holds stays", async () => {
  const brief = await Client.of(await person("carol", "ADVERTISER", "2s"));
  const lasting = await Client.of(await person("carol", "ADVERTISER", "1h"));
  await brief.next("(disconnect)");
  await lasting.settled();
  assert.ok(lasting.socket.connected);
});

step("the servers were unshaken", async () => [lenient, strict].forEach((server) => server.assertUnshaken()));

await run();
