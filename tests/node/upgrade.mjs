// A client starts on long-polling and moves to WebSocket while messages fly both ways: none is lost, none is
// doubled, and they stay in order.

import { Client, assert, run, step, thread, users } from "./lib.mjs";

const AT_LEAST = 300;

/** A client that begins on polling, with a promise of the moment when it is on WebSocket. */
async function upgrading(user) {
  const client = new Client(user.token, { transports: ["polling", "websocket"] });
  client.user = user;
  client.upgraded = false;
  client.socket.io.engine?.once("upgrade", () => (client.upgraded = true));
  client.socket.io.on("open", () => client.socket.io.engine.once("upgrade", () => (client.upgraded = true)));
  await client.next("connected");
  return client;
}

for (let round = 1; round <= 8; round += 1) {
  step(`round ${round}: sends both ways during the upgrade`, async () => {
    const { id: threadId } = await thread();
    const alice = await Client.of(users.alice, { transports: ["websocket"] });
    await alice.join(threadId);
    const bob = await upgrading(users.bob);
    const acks = [];
    const wanted = { alice: [], bob: [] };
    const send = (client, who) => {
      const content = `${who} ${wanted[who].length}`;
      wanted[who].push(content);
      acks.push(client.ask("sendMessage", { threadId, content }));
    };
    // Until well after the upgrade; yielding to the event loop in between, so that packets travel.
    for (let after = 0; after < 50 || wanted.bob.length < AT_LEAST; ) {
      send(alice, "alice");
      send(bob, "bob");
      if (bob.upgraded) after += 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
    const answers = await Promise.all(acks);
    for (const ack of answers) assert.equal(ack.success, true, JSON.stringify(ack));
    assert.equal(bob.socket.io.engine.transport.name, "websocket");
    await bob.next("newMessage", (message) => message.content === wanted.alice.at(-1));
    await alice.next("newMessage", (message) => message.content === wanted.bob.at(-1));
    const from = (client, user) =>
      client.all("newMessage").filter((message) => message.senderId === user.id).map((message) => message.content);
    assert.deepEqual(from(bob, users.alice), wanted.alice);
    assert.deepEqual(from(alice, users.bob), wanted.bob);
  });
}

step("twenty clients upgrade at once under fire", async () => {
  const { id: threadId } = await thread();
  const alice = await Client.of(users.alice, { transports: ["websocket"] });
  const bobs = await Promise.all(Array.from({ length: 20 }, () => upgrading(users.bob)));
  const wanted = [];
  const acks = [];
  for (let after = 0; after < 20 || wanted.length < 100; ) {
    const content = `fire ${wanted.length}`;
    wanted.push(content);
    acks.push(alice.ask("sendMessage", { threadId, content }));
    if (bobs.every((bob) => bob.upgraded)) after += 1;
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(acks);
  for (const bob of bobs) {
    await bob.next("newMessage", (message) => message.content === wanted.at(-1));
    assert.deepEqual(bob.all("newMessage").map((message) => message.content), wanted);
  }
});

await run();
