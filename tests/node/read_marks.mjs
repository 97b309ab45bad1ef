// Read marks: what they change, who hears of them, and the unread arithmetic.

import { Client, assert, fence, post, rest, run, step, thread, users } from "./lib.mjs";

async function cast() {
  const { id: threadId } = await thread();
  const clients = {
    alice: await Client.of(users.alice),
    aliceToo: await Client.of(users.alice),
    bob: await Client.of(users.bob),
    bobToo: await Client.of(users.bob),
  };
  await clients.alice.join(threadId);
  await clients.bob.join(threadId);
  return { threadId, ...clients };
}

async function unread(user, threadId) {
  const { body } = await rest(user, "GET", "/messaging/threads");
  return body.find((thread) => thread.id === threadId).unreadCount;
}

const messages = async (user, threadId) => (await rest(user, "GET", `/messaging/threads/${threadId}/messages`)).body;
const flags = async (user, threadId) => (await messages(user, threadId)).map((message) => message.isRead).reverse();

function assertEmpty(answer) {
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.text, "");
  assert.equal(answer.headers.get("content-type"), null);
}

/** The event reached each of `hearers` with this payload, and none of `deaf`. */
async function heardBy(event, payload, hearers, deaf, threadId, from, deafFrom) {
  for (const client of hearers) {
    const [heard] = await client.next(event);
    assert.deepEqual(heard, payload);
  }
  if (hearers.length > 0) await fence(threadId, from, ...hearers);
  await fence(threadId, deafFrom, ...deaf);
  for (const client of deaf) assert.deepEqual(client.all(event), [], `${event} to ${client.user.name}`);
  for (const client of hearers) assert.equal(client.all(event).length, 1, `${event} to ${client.user.name}`);
}

step("markAsRead of a message over the socket: the counterpart's sockets hear messageRead (D13)", async () => {
  const { threadId, alice, aliceToo, bob, bobToo } = await cast();
  const first = await post(users.alice, threadId, "one");
  await post(users.alice, threadId, "two");
  assert.equal(await unread(users.bob, threadId), 2);
  const ack = await bob.ask("markAsRead", { messageId: first.id });
  assert.equal(ack.success, true, JSON.stringify(ack));
  assert.equal(await unread(users.bob, threadId), 1);
  assert.deepEqual(await flags(users.alice, threadId), [true, false]);
  const payload = { messageId: first.id, userId: users.bob.id, threadId };
  await heardBy("messageRead", payload, [alice, aliceToo], [bob, bobToo], threadId, users.bob, users.alice);
  for (const client of [alice, aliceToo, bob, bobToo]) {
    assert.deepEqual(client.all("threadRead"), []);
    assert.deepEqual(client.all("threadUpdated"), []);
    assert.deepEqual(client.all("error"), []);
  }
});

step("messageId wins over threadId", async () => {
  const { threadId, alice, bob } = await cast();
  const first = await post(users.alice, threadId, "one");
  await post(users.alice, threadId, "two");
  bob.emit("markAsRead", { messageId: first.id, threadId });
  const [read] = await alice.next("messageRead");
  assert.deepEqual(read, { messageId: first.id, userId: users.bob.id, threadId });
  assert.equal(await unread(users.bob, threadId), 1);
});

step("markAsRead of a thread over the socket: the counterpart's sockets hear threadRead", async () => {
  const { threadId, alice, aliceToo, bob, bobToo } = await cast();
  await post(users.alice, threadId, "one");
  await post(users.alice, threadId, "two");
  const ack = await bob.ask("markAsRead", { threadId });
  assert.equal(ack.success, true, JSON.stringify(ack));
  assert.equal(await unread(users.bob, threadId), 0);
  assert.deepEqual(await flags(users.bob, threadId), [true, true]);
  const payload = { threadId, userId: users.bob.id };
  await heardBy("threadRead", payload, [alice, aliceToo], [bob, bobToo], threadId, users.bob, users.alice);
  // That is of the REST route alone.
  for (const client of [alice, bob, bobToo]) assert.deepEqual(client.all("threadUpdated"), []);
});

step("markAsRead of nothing is passed over", async () => {
  const { bob } = await cast();
  const mark = bob.mark();
  bob.emit("markAsRead", {});
  await bob.settled();
  bob.hushed(mark);
});

step("PATCH of a message: 200, no body; the counterpart hears messageRead without naming the thread", async () => {
  for (const suffix of ["", "?threadId=THREAD"]) {
    const { threadId, alice, aliceToo, bob, bobToo } = await cast();
    const first = await post(users.alice, threadId, "one");
    await post(users.alice, threadId, "two");
    const path = `/messaging/messages/${first.id}/read${suffix.replace("THREAD", threadId)}`;
    assertEmpty(await rest(users.bob, "PATCH", path));
    assert.equal(await unread(users.bob, threadId), 1);
    const payload = { messageId: first.id, userId: users.bob.id, threadId };
    await heardBy("messageRead", payload, [alice, aliceToo], [bob, bobToo], threadId, users.bob, users.alice);
  }
});

step("PATCH of a thread: 200, no body; threadRead to the counterpart, threadUpdated to the reader's sockets", async () => {
  const { threadId, alice, aliceToo, bob, bobToo } = await cast();
  await post(users.alice, threadId, "one");
  await post(users.alice, threadId, "two");
  assertEmpty(await rest(users.bob, "PATCH", `/api/messaging/threads/${threadId}/read`));
  for (const client of [bob, bobToo]) {
    const [updated] = await client.next("threadUpdated");
    assert.deepEqual(updated, { threadId, unreadCount: 0, action: "marked_as_read" });
  }
  const payload = { threadId, userId: users.bob.id };
  await heardBy("threadRead", payload, [alice, aliceToo], [bob, bobToo], threadId, users.bob, users.alice);
  for (const client of [alice, aliceToo]) assert.deepEqual(client.all("threadUpdated"), []);
});

step("marking again, or an older message, is fine and moves nothing back", async () => {
  const { threadId, alice, bob } = await cast();
  const first = await post(users.alice, threadId, "one");
  await post(users.alice, threadId, "two");
  const path = `/messaging/threads/${threadId}/read`;
  assertEmpty(await rest(users.bob, "PATCH", path));
  await alice.next("threadRead");
  assertEmpty(await rest(users.bob, "PATCH", path));
  assertEmpty(await rest(users.bob, "PATCH", `/messaging/messages/${first.id}/read`));
  const ack = await bob.ask("markAsRead", { messageId: first.id });
  assert.equal(ack.success, true);
  assert.equal(await unread(users.bob, threadId), 0);
  assert.deepEqual(await flags(users.alice, threadId), [true, true]);
  // An empty thread can be marked too.
  const empty = await thread();
  assertEmpty(await rest(users.bob, "PATCH", `/messaging/threads/${empty.id}/read`));
  assert.equal(await unread(users.bob, empty.id), 0);
});

step("sending marks what is above as read, silently; one's own messages are never unread", async () => {
  const { threadId, alice, bob } = await cast();
  await post(users.alice, threadId, "one");
  await post(users.alice, threadId, "two");
  assert.deepEqual([await unread(users.alice, threadId), await unread(users.bob, threadId)], [0, 2]);
  const mark = alice.mark();
  await bob.ask("sendMessage", { threadId, content: "an answer" });
  assert.deepEqual([await unread(users.alice, threadId), await unread(users.bob, threadId)], [1, 0]);
  assert.deepEqual(await flags(users.alice, threadId), [true, true, false]);
  await fence(threadId, users.bob, alice);
  alice.hushed(mark, "newMessage");
  await post(users.alice, threadId, "three");
  assert.deepEqual([await unread(users.alice, threadId), await unread(users.bob, threadId)], [0, 1]);
});

step("one's own message cannot be marked", async () => {
  const { threadId, alice, bob } = await cast();
  const own = await post(users.bob, threadId, "mine");
  const ack = await bob.ask("markAsRead", { messageId: own.id });
  assert.equal(ack.success, false, JSON.stringify(ack));
  const [error] = await bob.next("error");
  assert.equal(error.message, "Failed to mark as read");
  const answer = await rest(users.bob, "PATCH", `/messaging/messages/${own.id}/read`);
  assert.equal(answer.status, 400);
  assert.equal(answer.body.message, "You cannot mark your own messages as read");
  await fence(threadId, users.bob, alice);
  assert.deepEqual(alice.all("messageRead"), []);
});

await run();
