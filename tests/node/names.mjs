// Names in what is heard live: of somebody nobody had seen when the thread was first heard, and after a change.

import { Client, assert, forge, post, rest, run, step, thread, users } from "./lib.mjs";

const named = (user, id, name) => {
  const claims = { sub: id, name };
  return { ...user, id, name, token: forge(user, { claims }) };
};

step("who comes to a thread that was heard before they were known goes by their name", async () => {
  const late = named(users.bob, "late-promoter", "Late Promoter");
  const { id: threadId } = await thread(users.alice, late);
  const alice = await Client.of(users.alice);
  await alice.join(threadId);
  await alice.ask("sendMessage", { threadId, content: "are you there?" });
  const client = await Client.of(late);
  const { message } = await client.ask("sendMessage", { threadId, content: "here I am" });
  assert.equal(message.sender.username, late.name, "to the sender");
  const [heard] = await alice.next("newMessage", ({ content }) => content === "here I am");
  assert.equal(heard.sender.username, late.name, "to the other, live");
  const { body } = await rest(users.alice, "GET", `/messaging/threads/${threadId}/messages`);
  assert.equal(body[0].sender.username, late.name, "when read");
});

step("whom the host gives another name goes by it from then on", async () => {
  const { id: threadId } = await thread();
  const alice = await Client.of(users.alice);
  await post(users.bob, threadId, "before");
  await alice.next("newMessage", ({ content }) => content === "before");
  const told = await rest(users.host, "PUT", `/v1/users/${users.bob.id}`, { name: "Robert", role: "PROMOTER" });
  assert.equal(told.status, 200, told.text);
  const sent = await post(users.bob, threadId, "after");
  assert.equal(sent.sender.username, "Robert", "to the sender");
  const [heard] = await alice.next("newMessage", ({ content }) => content === "after");
  assert.equal(heard.sender.username, "Robert", "to the other, live");
});

await run();
