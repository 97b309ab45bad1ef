// A planned restart under stock clients with their default settings: what was begun is acked, all are back in time, and
// nothing that was acked is lost or doubled.

import { Client, assert, campaign, rest, run, step, talkTo, within, world } from "./lib.mjs";
import { Served, tidings } from "./served.mjs";

/** So soon after the signal everybody is back, in milliseconds. */
const BACK_WITHIN = 15_000;
/** The server's patience with what it has begun for a client that it closes, in milliseconds. */
const FINISH_TIMEOUT = 5_000;
const SENDS = 10;
const TRANSPORTS = [["websocket"], ["polling"], ["polling", "websocket"]];

const env = { JWT_SECRET: world.secret };
const server = await Served.start({ env });
talkTo(server);

async function person(id, role) {
  const token = await tidings(server.cwd, env, "token", "mint", "--user", id, "--role", role, "--name", id);
  return { id, role, name: id, token };
}

const alice = await person("alice", "ADVERTISER");
const bob = await person("bob", "PROMOTER");

async function opened() {
  const body = { campaignId: campaign(), promoterId: bob.id, advertiserId: alice.id };
  const answer = await rest(alice, "POST", "/messaging/threads", body);
  assert.equal(answer.status, 201, answer.text);
  return answer.body.id;
}

/** A client with a thread of its own. */
async function seated(user, transports) {
  const client = await Client.of(user, { transports, reconnection: true });
  client.threadId = await opened();
  client.transports = transports;
  const { engine } = client.socket.io;
  if (transports.length > 1 && engine.transport.name !== "websocket") {
    await within(new Promise((resolve) => engine.once("upgrade", resolve)), "the upgrade");
  }
  return client;
}

async function stored({ threadId }) {
  const answer = await rest(alice, "GET", `/messaging/threads/${threadId}/messages?limit=500`);
  assert.equal(answer.status, 200, answer.text);
  return answer.body.map(({ content }) => content).sort();
}

step("everybody is back within 15 s, and what was acked is stored once", async () => {
  const clients = [];
  for (let at = 0; at < 15; at += 1) {
    for (const transports of TRANSPORTS) clients.push(await seated(at % 2 === 0 ? alice : bob, transports));
  }
  const asked = clients.map((client) => {
    client.acked = [];
    return Array.from({ length: SENDS }, async (_, number) => {
      const content = `message ${number}`;
      // Rejected when the connection ends before the answer.
      const ack = await client.socket.emitWithAck("sendMessage", { threadId: client.threadId, content }).catch(() => undefined);
      if (ack?.success) client.acked.push(content);
    });
  });
  await Promise.race(asked.flat());
  const signal = performance.now();
  const back = clients.map(async (client) => {
    await client.next("(disconnect)");
    await client.next("connected");
    return performance.now() - signal;
  });
  await server.down();
  const stopped = performance.now() - signal;
  await server.up();
  const lasted = await Promise.all(back);
  assert.ok(Math.max(...lasted) < BACK_WITHIN, `the last one was back after ${Math.max(...lasted)} ms`);
  await within(Promise.all(asked.flat()), "every send is settled");
  for (const client of clients) {
    const there = await stored(client);
    const seen = `${client.transports} stored ${there}; acked ${client.acked.sort()}`;
    for (const content of client.acked) assert.equal(there.filter((one) => one === content).length, 1, seen);
    assert.equal(new Set(there).size, there.length, seen);
    // The server waits so long for the acks of what it has begun.
    if (stopped < FINISH_TIMEOUT) assert.deepEqual(client.acked, there, seen);
  }
  for (const client of clients) {
    const ack = await client.ask("sendMessage", { threadId: client.threadId, content: "and on we go" });
    assert.equal(ack.success, true, JSON.stringify(ack));
  }
});

step("the server was unshaken", async () => server.assertUnshaken());

await run();
