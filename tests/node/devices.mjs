// Several sockets of one user: closing either loses nothing (D1).

import { Client, assert, post, run, step, thread, users } from "./lib.mjs";

const gets = (client, content) => client.next("newMessage", (message) => message.content === content);

for (const closed of [0, 1]) {
  step(`of two sockets, the ${["first", "second"][closed]} is closed; the other goes on`, async () => {
    const { id: threadId } = await thread();
    const sockets = [await Client.of(users.bob), await Client.of(users.bob)];
    await post(users.alice, threadId, "to both");
    for (const socket of sockets) await gets(socket, "to both");
    const [kept] = sockets.splice(1 - closed, 1);
    sockets[0].close();
    for (let at = 0; at < 5; at += 1) {
      await post(users.alice, threadId, `to the other ${at}`);
      await gets(kept, `to the other ${at}`);
    }
    assert.equal((await kept.ask("sendMessage", { threadId, content: "still here" })).success, true);
  });

  step(`the same when the ${["first", "second"][closed]} one's connection breaks`, async () => {
    const { id: threadId } = await thread();
    const sockets = [await Client.of(users.bob), await Client.of(users.bob)];
    const [kept] = sockets.splice(1 - closed, 1);
    sockets[0].socket.io.engine.transport.close();
    sockets[0].socket.io.engine.close();
    await post(users.alice, threadId, "after the break");
    await gets(kept, "after the break");
  });
}

step("sockets come and go while messages flow; the one that stays misses none and hears none twice", async () => {
  const { id: threadId } = await thread();
  const stays = await Client.of(users.bob);
  const alice = await Client.of(users.alice);
  let busy = true;
  const churn = (async () => {
    while (busy) {
      const passing = await Client.of(users.bob);
      await passing.join(threadId);
      passing.close();
    }
  })();
  const wanted = [];
  for (let at = 0; at < 100; at += 1) {
    wanted.push(`churn ${at}`);
    assert.equal((await alice.ask("sendMessage", { threadId, content: `churn ${at}` })).success, true);
  }
  await gets(stays, wanted.at(-1));
  busy = false;
  await churn;
  assert.deepEqual(stays.all("newMessage").map((message) => message.content), wanted);
});

step("ten sockets of one user all hear, once each", async () => {
  const { id: threadId } = await thread();
  const sockets = await Promise.all(Array.from({ length: 10 }, () => Client.of(users.bob)));
  await post(users.alice, threadId, "to all ten");
  await Promise.all(sockets.map((socket) => gets(socket, "to all ten")));
  for (const socket of sockets) {
    await socket.settled();
    assert.equal(socket.all("newMessage").length, 1);
  }
});

await run();
