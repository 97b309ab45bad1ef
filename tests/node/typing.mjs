// Typing: who hears of it, and the ways it ends, but for the one that takes time: `defects.mjs` has it.

import { Client, assert, fence, post, run, step, thread, users } from "./lib.mjs";

async function cast() {
  const { id: threadId } = await thread();
  const clients = {
    alice: await Client.of(users.alice),
    aliceToo: await Client.of(users.alice),
    bob: await Client.of(users.bob),
    bobUnjoined: await Client.of(users.bob),
  };
  await clients.alice.join(threadId);
  await clients.aliceToo.join(threadId);
  await clients.bob.join(threadId);
  return { threadId, ...clients };
}

const about = (threadId, isTyping) => ({ threadId, userId: users.alice.id, isTyping });

async function hears(client, threadId, isTyping, ms) {
  const [typing] = await client.next("userTyping", () => true, ms);
  assert.deepEqual(typing, about(threadId, isTyping));
}

step("the counterpart's sockets hear it, joined or not; the typer's never do", async () => {
  const { threadId, alice, aliceToo, bob, bobUnjoined } = await cast();
  for (const isTyping of [true, false]) {
    alice.emit("typing", { threadId, isTyping });
    for (const client of [bob, bobUnjoined]) await hears(client, threadId, isTyping);
  }
  await fence(threadId, users.bob, alice, aliceToo);
  for (const client of [alice, aliceToo]) {
    assert.deepEqual(client.all("userTyping"), []);
    assert.deepEqual(client.all("error"), []);
  }
  await fence(threadId, users.alice, bob);
  assert.equal(bob.all("userTyping").length, 2);
});

/**
 * Alice types and then does something that ends it, long before it would have ended by itself: it must be over before
 * what she began to type earlier, elsewhere, expires.
 */
async function endsPromptly(world, typer, act) {
  const { threadId, bob } = world;
  const { id: elsewhere } = await thread();
  const clock = await Client.of(users.alice);
  clock.emit("typing", { threadId: elsewhere, isTyping: true });
  await hears(bob, elsewhere, true);
  typer.emit("typing", { threadId, isTyping: true });
  await hears(bob, threadId, true);
  await act();
  const [ended] = await bob.next("userTyping", (typing) => !typing.isTyping);
  assert.deepEqual(ended, about(threadId, false), "it ended by itself first");
}

step("it ends with a message over the socket", async () => {
  const world = await cast();
  await endsPromptly(world, world.alice, () => world.alice.emit("sendMessage", { threadId: world.threadId, content: "typed" }));
  await world.bob.next("newMessage", (message) => message.content === "typed");
});

step("it ends with a message over REST, or on another socket", async () => {
  const world = await cast();
  await endsPromptly(world, world.alice, () => post(users.alice, world.threadId, "typed elsewhere"));
  const other = await cast();
  await endsPromptly(other, other.alice, () => other.aliceToo.ask("sendMessage", { threadId: other.threadId, content: "too" }));
});

step("it ends with leaving the thread", async () => {
  const world = await cast();
  await endsPromptly(world, world.alice, () => world.alice.emit("leaveThread", { threadId: world.threadId }));
});

step("it ends when the typer's socket goes, politely or not", async () => {
  const world = await cast();
  await endsPromptly(world, world.alice, () => world.alice.close());
  const other = await cast();
  await endsPromptly(other, other.alice, () => other.alice.socket.io.engine.close());
});

step("a false without a true is told to nobody, or harmlessly; a repeated true keeps it alive", async () => {
  const { threadId, alice, bob } = await cast();
  alice.emit("typing", { threadId, isTyping: false });
  alice.emit("typing", { threadId, isTyping: true });
  alice.emit("typing", { threadId, isTyping: true });
  await bob.next("userTyping", (typing) => typing.isTyping);
  alice.emit("typing", { threadId, isTyping: false });
  await bob.next("userTyping", (typing) => !typing.isTyping);
  await fence(threadId, users.alice, bob);
  assert.equal(bob.all("userTyping").at(-1).isTyping, false);
});

step("on two sockets it ends when the last one's ends", async () => {
  const { threadId, alice, aliceToo, bob } = await cast();
  alice.emit("typing", { threadId, isTyping: true });
  await bob.next("userTyping", (typing) => typing.isTyping);
  aliceToo.emit("typing", { threadId, isTyping: true });
  await aliceToo.settled();
  alice.close();
  await fence(threadId, users.bob, aliceToo);
  await fence(threadId, users.alice, bob);
  // The fence is a message of the typer, which ends it: exactly one end was heard in all.
  await bob.next("userTyping", (typing) => !typing.isTyping);
  await fence(threadId, users.alice, bob);
  assert.equal(bob.all("userTyping").filter((typing) => !typing.isTyping).length, 1);
});

await run();
