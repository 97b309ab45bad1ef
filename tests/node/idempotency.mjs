// One client key, one message: over sockets and REST alike.

import { Client, assert, assertNest, fence, rest, run, step, thread, users } from "./lib.mjs";

const path = (threadId) => `/messaging/threads/${threadId}/messages`;
const stored = async (threadId) => (await rest(users.alice, "GET", path(threadId))).body;

async function cast() {
  const { id: threadId } = await thread();
  const alice = await Client.of(users.alice);
  const bob = await Client.of(users.bob);
  await alice.join(threadId);
  return { threadId, alice, bob };
}

for (const key of ["clientMsgId", "clientMessageId"]) {
  step(`${key} over the socket: the second send gives the first message and nobody hears it again`, async () => {
    const { threadId, alice, bob } = await cast();
    const payload = { threadId, content: "once", [key]: "key-1" };
    const first = await alice.ask("sendMessage", payload);
    const again = await alice.ask("sendMessage", payload);
    assert.equal(first.success, true);
    assert.equal(again.success, true);
    assert.equal(again.message.id, first.message.id);
    assert.equal(again.message.createdAt, first.message.createdAt);
    await fence(threadId, users.bob, alice);
    await fence(threadId, users.alice, bob);
    assert.equal(bob.all("newMessage").filter((message) => message.content === "once").length, 1);
    assert.equal(alice.all("newMessage").filter((message) => message.content === "once").length, 1);
    assert.equal((await stored(threadId)).filter((message) => message.content === "once").length, 1);
  });

  step(`${key} over REST, repeated over the socket and back`, async () => {
    const { threadId, alice, bob } = await cast();
    const body = { content: "either way", [key]: "key-2" };
    const first = await rest(users.alice, "POST", path(threadId), body);
    assert.equal(first.status, 201, first.text);
    const second = await alice.ask("sendMessage", { threadId, ...body });
    assert.equal(second.message.id, first.body.id);
    const third = await rest(users.alice, "POST", `/api${path(threadId)}`, body);
    assert.ok([200, 201].includes(third.status), third.text);
    assert.equal(third.body.id, first.body.id);
    await fence(threadId, users.alice, bob);
    assert.equal(bob.all("newMessage").filter((message) => message.content === "either way").length, 1);
  });

  step(`${key} with another text is a conflict`, async () => {
    const { threadId, alice, bob } = await cast();
    const send = (content) => alice.ask("sendMessage", { threadId, content, [key]: "key-3" });
    assert.equal((await send("the one")).success, true);
    const refused = await send("the other");
    assert.equal(refused.success, false, JSON.stringify(refused));
    assert.equal(typeof refused.error, "string");
    const [error] = await alice.next("error");
    assert.equal(error.message, "Failed to send message");
    assertNest(await rest(users.alice, "POST", path(threadId), { content: "a third", [key]: "key-3" }), 409);
    await fence(threadId, users.alice, bob);
    assert.deepEqual(bob.all("newMessage").map((message) => message.content), ["the one"]);
  });
}

step("keys are per thread and per sender", async () => {
  const one = await cast();
  const other = await cast();
  const payload = { content: "same key", clientMsgId: "shared" };
  const ids = [
    (await one.alice.ask("sendMessage", { threadId: one.threadId, ...payload })).message.id,
    (await one.bob.ask("sendMessage", { threadId: one.threadId, ...payload })).message.id,
    (await other.alice.ask("sendMessage", { threadId: other.threadId, ...payload })).message.id,
  ];
  assert.equal(new Set(ids).size, 3);
});

step("fifty at once under one key are one message", async () => {
  const { threadId, alice, bob } = await cast();
  const body = { content: "stampede", clientMsgId: "key-4" };
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, at) =>
      at % 2 === 0
        ? alice.ask("sendMessage", { threadId, ...body }).then((ack) => ack.message?.id)
        : rest(users.alice, "POST", path(threadId), body).then((answer) => answer.body.id),
    ),
  );
  assert.equal(new Set(answers).size, 1, JSON.stringify(answers));
  assert.ok(answers[0]);
  await fence(threadId, users.alice, bob);
  assert.equal(bob.all("newMessage").length, 1);
  assert.equal((await stored(threadId)).filter((message) => message.content === "stampede").length, 1);
});

step("keys that cannot be keys are refused", async () => {
  const { threadId, alice } = await cast();
  for (const clientMsgId of ["", "k".repeat(129), "nul\u0000", "\ud800", 7, {}, []]) {
    const ack = await alice.ask("sendMessage", { threadId, content: "x", clientMsgId });
    assert.equal(ack.success, false, JSON.stringify(clientMsgId));
    assertNest(await rest(users.alice, "POST", path(threadId), { content: "x", clientMsgId }), 400);
  }
  assert.deepEqual(await stored(threadId), []);
});

await run();
