// Bad input over the socket: the contract's error shape, the same connection goes on, and so does everyone else.

import { Bystanders, Client, assert, fence, rest, run, step, thread, users } from "./lib.mjs";

const deep = (levels) => {
  let value = 1;
  for (let at = 0; at < levels; at += 1) value = [value];
  return value;
};

/** Payloads that are no payload, for every event. */
const NOT_PAYLOADS = [
  ["nothing", []],
  ["null", [null]],
  ["a number", [7]],
  ["a huge number", [1e300]],
  ["a text", ["text"]],
  ["an empty text", [""]],
  ["true", [true]],
  ["an array", [[]]],
  ["an array of a payload", [[{ threadId: "x" }]]],
  ["an empty object", [{}]],
  ["a nested array", [deep(100)]],
  ["an object 1,000 levels deep", [{ threadId: deep(1000) }]],
  ["__proto__", [JSON.parse('{"__proto__": {"threadId": 1}, "constructor": null}')]],
];

const BAD_IDS = [
  null, 7, true, [], {}, "", " ", "not-a-uuid", "\u0000", "\ud800", "0197f000-0000-7000-8000-00000000000g", "x".repeat(30_000),
  ["0197f000-0000-7000-8000-000000000000"],
];

const BAD_CONTENTS = [
  ["missing", undefined],
  ["null", null],
  ["a number", 7],
  ["true", false],
  ["an array", ["hello"]],
  ["an object", { text: "hello" }],
  ["empty", ""],
  ["blank", " \n\t\u3000\u00a0 "],
  ["10,001 characters", "x".repeat(10_001)],
  ["10,001 emoji", "\u{1f600}".repeat(10_001)],
  ["with a NUL", "nul \u0000 inside"],
  ["a lone surrogate", "lone \ud800 surrogate"],
  ["a lone low surrogate", "\udfff"],
  ["surrogates the wrong way round", "\ude00\ud83d"],
];

const { id: threadId } = await thread();

async function cast() {
  const bystanders = await Bystanders.start();
  const alice = await Client.of(users.alice);
  const bob = await Client.of(users.bob);
  await alice.join(threadId);
  return { bystanders, alice, bob, mark: bob.mark() };
}

/** Refused with the event's own text, on the same connection, as error event and as ack. */
async function refused(client, text, name, event, ...args) {
  const ack = await client.ask(event, ...args);
  assert.equal(ack?.success, false, `${event} with ${name}: ${JSON.stringify(ack)}`);
  assert.equal(typeof ack.error, "string", `${event} with ${name}`);
  const [error] = await client.next("error");
  assert.equal(error.message, text, `${event} with ${name}`);
  // Without a callback the error alone.
  client.emit(event, ...args);
  const [again] = await client.next("error");
  assert.equal(again.message, text, `${event} with ${name}, without a callback`);
}

async function assertUnharmed({ bystanders, alice, bob, mark }) {
  assert.ok(alice.socket.connected, "the connection itself goes on");
  assert.deepEqual(alice.all("(disconnect)"), []);
  const ack = await alice.ask("sendMessage", { threadId, content: "still at it" });
  assert.equal(ack.success, true, JSON.stringify(ack));
  await bob.next("newMessage", (message) => message.id === ack.message.id);
  await fence(threadId, users.alice, bob);
  bob.hushed(mark, "newMessage");
  assert.deepEqual(bob.all("newMessage", mark).map(({ content }) => content), ["still at it"]);
  await bystanders.chat();
}

step("sendMessage", async () => {
  const world = await cast();
  const text = "Failed to send message";
  for (const [name, args] of NOT_PAYLOADS) await refused(world.alice, text, name, "sendMessage", ...args);
  for (const id of BAD_IDS) {
    await refused(world.alice, text, JSON.stringify(id).slice(0, 60), "sendMessage", { threadId: id, content: "x" });
  }
  for (const [name, content] of BAD_CONTENTS) await refused(world.alice, text, name, "sendMessage", { threadId, content });
  await assertUnharmed(world);
  const { body } = await rest(users.bob, "GET", `/messaging/threads/${threadId}/messages`);
  assert.deepEqual(body.filter(({ content }) => content !== "still at it" && !content.startsWith("fence")), []);
});

step("joinThread", async () => {
  const world = await cast();
  const text = "Failed to join thread";
  for (const [name, args] of NOT_PAYLOADS) await refused(world.alice, text, name, "joinThread", ...args);
  for (const id of BAD_IDS) await refused(world.alice, text, JSON.stringify(id).slice(0, 60), "joinThread", { threadId: id });
  await assertUnharmed(world);
});

step("markAsRead", async () => {
  const world = await cast();
  const text = "Failed to mark as read";
  // An object without either id asks for nothing.
  const asking = NOT_PAYLOADS.filter(([name]) => !["an empty object", "__proto__"].includes(name));
  for (const [name, args] of asking) await refused(world.alice, text, name, "markAsRead", ...args);
  for (const id of BAD_IDS.filter((id) => id !== null)) {
    const name = JSON.stringify(id).slice(0, 60);
    await refused(world.alice, text, name, "markAsRead", { threadId: id });
    await refused(world.alice, text, name, "markAsRead", { messageId: id });
    await refused(world.alice, text, name, "markAsRead", { messageId: id, threadId });
  }
  await assertUnharmed(world);
});

step("leaveThread and typing, for which the contract has no text: an error in its shape", async () => {
  const world = await cast();
  const bad = [...NOT_PAYLOADS.map(([, args]) => args), ...BAD_IDS.map((id) => [{ threadId: id, isTyping: true }])];
  const isTypings = [undefined, null, 1, 0, "true", [], {}].map((isTyping) => [{ threadId, isTyping }]);
  for (const [event, cases] of [["leaveThread", bad], ["typing", [...bad, ...isTypings]]]) {
    for (const args of cases) {
      const name = `${event} with ${JSON.stringify(args).slice(0, 60)}`;
      const ack = await world.alice.ask(event, ...args);
      assert.equal(ack?.success, false, name);
      const [error] = await world.alice.next("error");
      assert.equal(typeof error.message, "string", name);
    }
  }
  await assertUnharmed(world);
});

step("events nobody knows are passed over; a callback is told", async () => {
  const world = await cast();
  const mark = world.alice.mark();
  for (const event of ["nothing", "newMessage", "connected", "sendmessage", "", "__proto__", "toString", "x".repeat(5000), "\u0000", "\ud800"]) {
    world.alice.emit(event, { threadId, content: "x" });
    const ack = await world.alice.ask(event, { threadId, content: "x" });
    assert.equal(ack?.success, false, JSON.stringify(event.slice(0, 20)));
  }
  await world.alice.settled();
  world.alice.hushed(mark, "error");
  await assertUnharmed(world);
});

step("binary attachments are refused; everyone else is unharmed", async () => {
  const { bystanders, alice } = await cast();
  alice.emit("sendMessage", { threadId, content: Buffer.from("binary") });
  const gone = alice.next("(disconnect)");
  const told = alice.next("error");
  await Promise.any([gone, told]);
  gone.catch(() => {});
  told.catch(() => {});
  await bystanders.chat();
});

step("more arguments than asked for are passed over", async () => {
  const world = await cast();
  const ack = await world.alice.ask("joinThread", { threadId, extra: deep(50) }, "more", [1, 2], null);
  assert.equal(ack.success, true, JSON.stringify(ack));
  await assertUnharmed(world);
});

step("a burst of bad and good, in order", async () => {
  const world = await cast();
  const wanted = [];
  const acks = [];
  for (let at = 0; at < 100; at += 1) {
    acks.push(world.alice.ask("sendMessage", at % 2 ? { threadId } : { threadId, content: `good ${at}` }));
    if (at % 2 === 0) wanted.push(`good ${at}`);
  }
  const answers = await Promise.all(acks);
  assert.deepEqual(answers.map(({ success }) => success), answers.map((_, at) => at % 2 === 0));
  await world.bob.next("newMessage", (message) => message.content === wanted.at(-1));
  assert.deepEqual(world.bob.all("newMessage", world.mark).map(({ content }) => content), wanted);
  await world.bystanders.chat();
});

await run();
