// A third user, an administrator and a stranger on every event and route: the contract's text and status, and
// nobody hears or sees anything of it (D2, D3, D4, D6, P9).

import { Client, assert, assertNest, fence, post, rest, run, step, thread, users } from "./lib.mjs";

const { id: threadId } = await thread();
const message = await post(users.alice, threadId, "between us");

async function members() {
  const alice = await Client.of(users.alice);
  const bob = await Client.of(users.bob);
  await alice.join(threadId);
  await bob.join(threadId);
  return { alice, bob, marks: [alice.mark(), bob.mark()] };
}

async function assertUndisturbed({ alice, bob, marks }, before) {
  await fence(threadId, users.bob, alice);
  await fence(threadId, users.alice, bob);
  alice.hushed(marks[0]);
  bob.hushed(marks[1]);
  const state = await snapshot();
  assert.deepEqual(state.slice(0, before.length), before, "the thread is as it was");
}

/** All messages with their flags, but for the fences. */
async function snapshot() {
  const { body } = await rest(users.alice, "GET", `/messaging/threads/${threadId}/messages`);
  return body.reverse().filter(({ content }) => !content.startsWith("fence")).map(({ id, content, isRead }) => [id, content, isRead]);
}

for (const outsider of [users.carol, users.dave, users.admin]) {
  step(`${outsider.name} on every event`, async () => {
    const inside = await members();
    // Read marks move with the fences; what counts is that an outsider's mark moves nothing.
    await fence(threadId, users.bob, inside.alice);
    await fence(threadId, users.alice, inside.bob);
    inside.marks = [inside.alice.mark(), inside.bob.mark()];
    const before = await snapshot();
    const outside = await Client.of(outsider);
    const refused = async (event, payload, text) => {
      const ack = await outside.ask(event, payload);
      assert.equal(ack.success, false, `${event}: ${JSON.stringify(ack)}`);
      assert.equal(typeof ack.error, "string");
      const [error] = await outside.next("error");
      if (text) assert.equal(error.message, text, event);
    };
    await refused("joinThread", { threadId }, "Access denied to this thread");
    const mayNotSend =
      outsider === users.admin
        ? "Invalid user role: ADMIN. Only PROMOTER and ADVERTISER can send messages."
        : "Failed to send message";
    await refused("sendMessage", { threadId, content: "intruding" }, mayNotSend);
    await refused("markAsRead", { threadId }, "Failed to mark as read");
    await refused("markAsRead", { messageId: message.id }, "Failed to mark as read");
    await refused("markAsRead", { threadId, messageId: message.id }, "Failed to mark as read");
    for (const isTyping of [true, false]) outside.emit("typing", { threadId, isTyping });
    outside.emit("leaveThread", { threadId });
    await outside.next("threadLeft");
    await outside.settled();
    const mark = outside.mark();
    await assertUndisturbed(inside, before);
    await outside.settled();
    outside.hushed(mark);
  });

  step(`${outsider.name} on every route`, async () => {
    const inside = await members();
    const before = await snapshot();
    const outside = await Client.of(outsider);
    const mark = outside.mark();
    const noThread = "You do not have access to this thread";
    for (const prefix of ["/messaging", "/api/messaging"]) {
      const path = `${prefix}/threads/${threadId}`;
      assertNest(await rest(outsider, "GET", path), 403, noThread);
      assertNest(await rest(outsider, "GET", `${path}/messages`), 403, noThread);
      assertNest(await rest(outsider, "GET", `${path}/messages?limit=1&before=2999-01-01T00:00:00.000Z`), 403, noThread);
      const send = await rest(outsider, "POST", `${path}/messages`, { content: "intruding", clientMsgId: "k" });
      assertNest(send, 403, outsider === users.admin ? undefined : noThread);
      assertNest(await rest(outsider, "PATCH", `${path}/read`), 403, noThread);
      const read = await rest(outsider, "PATCH", `${prefix}/messages/${message.id}/read`);
      assertNest(read, 403, "You do not have access to this message");
      const named = await rest(outsider, "PATCH", `${prefix}/messages/${message.id}/read?threadId=${threadId}`);
      assertNest(named, 403, "You do not have access to this message");
    }
    assert.deepEqual((await rest(outsider, "GET", "/messaging/threads")).body.filter(({ id }) => id === threadId), []);
    await assertUndisturbed(inside, before);
    await outside.settled();
    outside.hushed(mark);
  });
}

step("a member of one thread is an outsider to another: ids are not mixed", async () => {
  const { id: own } = await thread(users.carol, users.dave);
  const inside = await members();
  const before = await snapshot();
  const carol = await Client.of(users.carol);
  await carol.join(own);
  const ack = await carol.ask("markAsRead", { threadId: own, messageId: message.id });
  assert.equal(ack.success, false, JSON.stringify(ack));
  assertNest(await rest(users.carol, "PATCH", `/messaging/messages/${message.id}/read?threadId=${own}`), 403);
  await assertUndisturbed(inside, before);
});

step("unknown ids on every event", async () => {
  const alice = await Client.of(users.alice);
  const unknown = "0197f000-0000-7000-8000-000000000000";
  const cases = [
    ["joinThread", { threadId: unknown }, "Failed to join thread"],
    ["sendMessage", { threadId: unknown, content: "x" }, "Failed to send message"],
    ["markAsRead", { threadId: unknown }, "Failed to mark as read"],
    ["markAsRead", { messageId: unknown }, "Failed to mark as read"],
  ];
  for (const [event, payload, text] of cases) {
    const ack = await alice.ask(event, payload);
    assert.equal(ack.success, false, event);
    const [error] = await alice.next("error");
    assert.equal(error.message, text, event);
  }
  alice.emit("typing", { threadId: unknown, isTyping: true });
  await alice.settled();
});

step("an administrator cannot be let in by opening a thread as a party", async () => {
  const body = { campaignId: "admins-own", promoterId: users.admin.id, advertiserId: users.alice.id };
  assertNest(await rest(users.admin, "POST", "/messaging/threads", body), 403);
});

await run();
