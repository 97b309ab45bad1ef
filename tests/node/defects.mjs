// Defects of the original that show only on a running server, by their numbers in the contract. The others have tests
// beside the code.

import { createServer } from "node:http";
import { createSign, generateKeyPairSync } from "node:crypto";
import { Client, DEADLINE, assert, atEnd, fence, post, rest, run, step, talkTo, thread, world } from "./lib.mjs";
import { Served } from "./served.mjs";

// An issuer of its own, with its keys on the web, as Firebase has.
const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const jwks = JSON.stringify({ keys: [{ ...publicKey.export({ format: "jwk" }), kid: "one", alg: "RS256", use: "sig" }] });
let fetches = 0;
const issuer = createServer((_, response) => {
  fetches += 1;
  response.writeHead(200, { "content-type": "application/json" }).end(jwks);
});
await new Promise((resolve) => issuer.listen(0, "127.0.0.1", resolve));
atEnd(() => issuer.closeAllConnections());

const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

function person(id, role, name) {
  const now = Math.floor(Date.now() / 1000);
  const signed = `${part({ alg: "RS256", typ: "JWT", kid: "one" })}.${part({ sub: id, role, name, iat: now, exp: now + 3600 })}`;
  return { id, role, name, token: `${signed}.${createSign("RSA-SHA256").update(signed).sign(privateKey, "base64url")}` };
}

const alice = person("alice", "ADVERTISER", "Alice");
const bob = person("bob", "PROMOTER", "Bob");
const carol = person("carol", "ADVERTISER", "Carol");
const server = await Served.start({
  config: `[auth.issuers.web]\njwks_url = "http://127.0.0.1:${issuer.address().port}/keys"\ndialects = ["campaign"]\n[notices]\nafter = "2s"\n`,
  env: { JWT_SECRET: world.secret },
});
talkTo(server);

// Takes half a minute to end, beside the other steps.
const dora = person("dora", "ADVERTISER", "Dora");
const emil = person("emil", "PROMOTER", "Emil");
const typist = (await Client.of(dora)).kept();
const listener = (await Client.of(emil)).kept();
const typedAt = performance.now();
typist.emit("typing", { threadId: (await thread(dora, emil)).id, isTyping: true });
await listener.next("userTyping", ({ isTyping }) => isTyping);

step("D1: of two sockets either may go; the other still hears, and types on", async () => {
  const { id: threadId } = await thread(alice, bob);
  for (const closed of [0, 1]) {
    const sockets = [await Client.of(bob), await Client.of(bob)];
    const [goes, stays] = closed === 0 ? sockets : sockets.toReversed();
    goes.close();
    await post(alice, threadId, `after ${closed}`);
    await stays.next("newMessage", ({ content }) => content === `after ${closed}`);
    stays.close();
  }
});

step("D1, D11: who is connected on any socket gets no notice; who is away gets one, later than the sender their answer", async () => {
  const [{ id: here }, { id: away }] = [await thread(alice, bob), await thread(alice, person("zoe", "PROMOTER", "Zoe"))];
  const sockets = [await Client.of(bob), await Client.of(bob)];
  sockets[0].close();
  await post(alice, here, "between us, bob");
  await sockets[1].next("newMessage", ({ content }) => content === "between us, bob");
  await post(alice, away, "between us, zoe");
  const notice = (user, threadId) => new RegExp(`notices.*user=${user} thread=${threadId} unread=1`);
  // The answer is here already, and has waited for no notice.
  assert.doesNotMatch(server.log, notice("zoe", away));
  await server.says(notice("zoe", away));
  assert.doesNotMatch(server.log, notice("bob", here), "his was due before hers");
  assert.ok(!server.log.includes("between us"), "nothing of the messages is in the log");
});

step("D9: what is sent with the CONNECT, before anybody is known, is done in order once they are", async () => {
  const { id: threadId } = await thread(alice, bob);
  for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
    const eager = new Client(alice.token, { transports });
    eager.socket.on("connect", () => eager.emit("joinThread", { threadId }));
    await eager.next("threadJoined", (joined) => joined.threadId === threadId);
    assert.deepEqual(eager.all("error"), [], "Not authenticated");
    eager.close();
  }
  // Buffered by the client until it is connected: they arrive in one piece with the CONNECT.
  const client = new Client(alice.token);
  client.emit("joinThread", { threadId });
  client.emit("typing", { threadId, isTyping: true });
  client.emit("sendMessage", { threadId, content: "eagerly" });
  await client.next("newMessage", ({ content }) => content === "eagerly");
  assert.deepEqual(client.all("error"), []);
});

step("D12: closing one of two sockets ends only its own typing", async () => {
  const { id: one } = await thread(alice, bob);
  const { id: other } = await thread(carol, bob);
  const sockets = [await Client.of(bob), await Client.of(bob)];
  const listeners = [await Client.of(alice), await Client.of(carol)];
  sockets[0].emit("typing", { threadId: one, isTyping: true });
  sockets[1].emit("typing", { threadId: other, isTyping: true });
  for (const listener of listeners) await listener.next("userTyping", ({ isTyping }) => isTyping);
  sockets[0].close();
  await listeners[0].next("userTyping", ({ isTyping }) => !isTyping);
  // Carol has heard of no end by the time that a later event of the same thread has reached her.
  const mark = listeners[1].mark();
  await post(carol, other, "are you still at it?");
  await listeners[1].settled();
  assert.deepEqual(listeners[1].all("userTyping", mark), []);
});

step("D17: neither a request nor a socket asks the issuer again; nor does anything stop when it is away", async () => {
  const { id: threadId } = await thread(alice, bob);
  const before = fetches;
  assert.ok(before >= 1, "the keys were fetched");
  const sockets = [];
  for (let at = 0; at < 10; at += 1) {
    assert.equal((await rest(alice, "GET", "/messaging/threads")).status, 200);
    sockets.push(await Client.of(bob));
  }
  for (const socket of sockets) socket.close();
  assert.equal(fetches, before, "no round trip for known keys");
  issuer.closeAllConnections();
  await new Promise((resolve) => issuer.close(resolve));
  const client = await Client.of(bob);
  await post(alice, threadId, "without the issuer");
  await client.next("newMessage");
  await fence(threadId, bob, await Client.of(alice));
});

step("D12: typing ends by itself, for a socket that stays and says no more", async () => {
  await listener.next("userTyping", ({ isTyping }) => !isTyping, 2 * DEADLINE);
  const lasted = performance.now() - typedAt;
  assert.ok(lasted > 20_000, `clients say it once for a whole message, and it ended after ${lasted} ms`);
  assert.ok(typist.socket.connected);
});

step("the server was unshaken", async () => server.assertUnshaken());

await run();
