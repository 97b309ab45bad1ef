// Who hears a message (contract section 7, decision 1), and what its sender is told.

import { Client, assert, campaign, fence, post, rest, run, step, thread, users } from "./lib.mjs";
import { assertMessage } from "./shapes.mjs";

async function cast(threadId) {
  const clients = {
    alice: await Client.of(users.alice),
    aliceUnjoined: await Client.of(users.alice),
    bob: await Client.of(users.bob),
    bobUnjoined: await Client.of(users.bob),
  };
  await clients.alice.join(threadId);
  await clients.bob.join(threadId);
  return clients;
}

const contents = (client) => client.all("newMessage").map((message) => message.content);

step("a socket's message reaches the sender's joined sockets and all of the counterpart's, once each", async () => {
  const { id: threadId } = await thread();
  const { alice, aliceUnjoined, bob, bobUnjoined } = await cast(threadId);
  const ack = await alice.ask("sendMessage", { threadId, content: "hello" });
  assert.equal(ack.success, true, JSON.stringify(ack));
  assertMessage(ack.message, { threadId, user: users.alice, content: "hello", isRead: false });
  await fence(threadId, users.bob, alice, aliceUnjoined);
  await fence(threadId, users.alice, bob, bobUnjoined);
  for (const client of [alice, bob, bobUnjoined]) {
    const [message] = client.all("newMessage");
    assertMessage(message, { threadId, user: users.alice, content: "hello", isRead: false });
    assert.equal(message.id, ack.message.id);
    assert.equal(message.createdAt, ack.message.createdAt);
  }
  assert.deepEqual(contents(alice).filter((text) => text === "hello"), ["hello"]);
  assert.deepEqual(contents(bob).filter((text) => text === "hello"), ["hello"]);
  assert.deepEqual(contents(bobUnjoined).filter((text) => text === "hello"), ["hello"]);
  assert.ok(!contents(aliceUnjoined).includes("hello"), "a socket of the sender that has not joined hears nothing");
});

step("a sender's second socket that has joined hears the echo too", async () => {
  const { id: threadId } = await thread();
  const { alice, aliceUnjoined } = await cast(threadId);
  await aliceUnjoined.join(threadId);
  alice.emit("sendMessage", { threadId, content: "on both" });
  await alice.next("newMessage", (message) => message.content === "on both");
  await aliceUnjoined.next("newMessage", (message) => message.content === "on both");
});

step("a sender that has not joined hears nothing back but the ack", async () => {
  const { id: threadId } = await thread();
  const alice = await Client.of(users.alice);
  const bob = await Client.of(users.bob);
  const mark = alice.mark();
  const ack = await alice.ask("sendMessage", { threadId, content: "unjoined" });
  assert.equal(ack.success, true);
  await bob.next("newMessage", (message) => message.content === "unjoined");
  await fence(threadId, users.bob, alice);
  alice.hushed(mark);
});

step("a REST message reaches the counterpart; the sender's sockets hear nothing", async () => {
  const { id: threadId } = await thread();
  const { alice, aliceUnjoined, bob, bobUnjoined } = await cast(threadId);
  const marks = [alice, aliceUnjoined].map((client) => client.mark());
  const sent = await post(users.alice, threadId, "by REST");
  assertMessage(sent, { threadId, user: users.alice, content: "by REST", isRead: false });
  for (const client of [bob, bobUnjoined]) {
    const [message] = await client.next("newMessage", (heard) => heard.content === "by REST");
    assertMessage(message, { threadId, user: users.alice, content: "by REST", isRead: false });
    assert.equal(message.id, sent.id);
  }
  await fence(threadId, users.bob, alice, aliceUnjoined);
  alice.hushed(marks[0]);
  aliceUnjoined.hushed(marks[1]);
});

step("leaving a thread ends the echo, not the delivery", async () => {
  const { id: threadId } = await thread();
  const { alice, bob } = await cast(threadId);
  alice.emit("leaveThread", { threadId });
  const [left] = await alice.next("threadLeft");
  assert.deepEqual(left, { threadId });
  const mark = alice.mark();
  await alice.ask("sendMessage", { threadId, content: "after leaving" });
  await bob.next("newMessage", (message) => message.content === "after leaving");
  await post(users.bob, threadId, "still for you");
  await alice.next("newMessage", (message) => message.content === "still for you");
  assert.deepEqual(alice.all("newMessage", mark).map((message) => message.content), ["still for you"]);
  // Leaving what was never joined is answered all the same.
  alice.emit("leaveThread", { threadId });
  await alice.next("threadLeft");
});

step("joining twice does not double anything", async () => {
  const { id: threadId } = await thread();
  const { alice, bob } = await cast(threadId);
  await alice.join(threadId);
  await bob.join(threadId);
  await alice.ask("sendMessage", { threadId, content: "once" });
  await fence(threadId, users.bob, alice);
  await fence(threadId, users.alice, bob);
  assert.equal(contents(alice).filter((text) => text === "once").length, 1);
  assert.equal(contents(bob).filter((text) => text === "once").length, 1);
});

step("nobody hears of another thread", async () => {
  const { id: threadId } = await thread();
  const { id: others } = await thread(users.carol, users.dave);
  const { alice, bob } = await cast(threadId);
  const dave = await Client.of(users.dave);
  const marks = [alice.mark(), bob.mark()];
  await post(users.carol, others, "not yours");
  await dave.next("newMessage", (message) => message.content === "not yours");
  await fence(threadId, users.bob, alice);
  await fence(threadId, users.alice, bob);
  alice.hushed(marks[0]);
  bob.hushed(marks[1], "newMessage");
  assert.ok(!contents(bob).includes("not yours"));
});

step("one user's threads are told apart", async () => {
  const { id: one } = await thread();
  const { id: other } = await thread();
  const { alice, bob } = await cast(one);
  await alice.ask("sendMessage", { threadId: other, content: "elsewhere" });
  const [message] = await bob.next("newMessage", (heard) => heard.content === "elsewhere");
  assert.equal(message.threadId, other);
  await fence(other, users.bob, alice);
  assert.ok(!contents(alice).includes("elsewhere"), "joined to one thread, not to the other");
});

step("texts arrive as they were written", async () => {
  const { id: threadId } = await thread();
  const { alice, bob } = await cast(threadId);
  const texts = [
    "  untrimmed \n\t lines\r\n",
    "emoji \u{1f469}\u200d\u{1f469}\u200d\u{1f467} and \u0627\u0644\u0639\u0631\u0628\u064a\u0629 and \u0301 alone",
    'quotes " and \\ and </script> and %s {} ${x}',
    "\u2028\u2029\u0001\u001e\u001f\u007f\ufeff|\uffff",
    "2probe",
    "x".repeat(10_000),
    "\u{1f600}".repeat(10_000),
    "\u0001".repeat(10_000),
  ];
  for (const content of texts) {
    const ack = await alice.ask("sendMessage", { threadId, content });
    assert.equal(ack.success, true, `${JSON.stringify(content.slice(0, 40))}: ${JSON.stringify(ack).slice(0, 300)}`);
    assert.equal(ack.message.content, content);
    const [message] = await bob.next("newMessage", (heard) => heard.id === ack.message.id);
    assert.equal(message.content, content);
  }
  const stored = await rest(users.bob, "GET", `/messaging/threads/${threadId}/messages`);
  assert.deepEqual(stored.body.map((message) => message.content).reverse(), texts);
});

step("many sends in a row stay in order, each acked once", async () => {
  const { id: threadId } = await thread();
  const { alice, bob } = await cast(threadId);
  const wanted = Array.from({ length: 200 }, (_, at) => `in order ${at}`);
  const acks = await Promise.all(wanted.map((content) => alice.ask("sendMessage", { threadId, content })));
  assert.ok(acks.every((ack) => ack.success));
  await alice.next("newMessage", (message) => message.content === wanted.at(-1));
  await bob.next("newMessage", (message) => message.content === wanted.at(-1));
  assert.deepEqual(contents(alice), wanted);
  assert.deepEqual(contents(bob), wanted);
  assert.deepEqual(bob.all("newMessage").map((message) => message.id), acks.map((ack) => ack.message.id));
});

step("an ack means visible: a read that starts after it contains the message", async () => {
  const { id: threadId } = await thread();
  const { alice } = await cast(threadId);
  for (let at = 0; at < 20; at += 1) {
    const ack = await alice.ask("sendMessage", { threadId, content: `visible ${at}` });
    const [newest] = (await rest(users.bob, "GET", `/api/messaging/threads/${threadId}/messages?limit=1`)).body;
    assert.equal(newest.id, ack.message.id);
  }
});

step("a thread about a campaign whose id is no UUID works as well: ids are the host's", async () => {
  const { id: threadId, campaignId } = await thread(users.carol, users.dave, { campaignId: "summer:2025" });
  assert.equal(campaignId, "summer:2025");
  const dave = await Client.of(users.dave);
  const carol = await Client.of(users.carol);
  await carol.join(threadId);
  assert.equal((await carol.ask("sendMessage", { threadId, content: "hi" })).success, true);
  await dave.next("newMessage", (message) => message.senderId === users.carol.id);
  assert.notEqual(campaign(), campaign());
});

await run();
