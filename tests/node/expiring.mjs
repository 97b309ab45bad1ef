// A token that runs out while its socket is open, and one that is renewed in time.

import { Client, assert, assertNest, campaign, fence, rest, run, step, talkTo, world } from "./lib.mjs";
import { Served, tidings } from "./served.mjs";

const env = { JWT_SECRET: world.secret };
const server = await Served.start({ config: '[auth]\nleeway = "1s"\n', env });
talkTo(server);

async function person(id, role, ttl) {
  const token = await tidings(server.cwd, env, "token", "mint", "--user", id, "--role", role, "--name", id, "--ttl", ttl);
  return { id, role, name: id, token };
}

const bob = await person("bob", "PROMOTER", "1h");

for (const transports of [["websocket"], ["polling"]]) {
  step(`over ${transports}: heard until it ends, closed then, and not let in again`, async () => {
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
    assertNest(await rest(alice, "GET", "/messaging/threads"), 401, /^Authentication failed: Token verification failed: .*expired/);
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

step("the server was unshaken", async () => server.assertUnshaken());

await run();
