// A service of somebody else's with Tidings inside: its users log in at the service and talk with stock clients.

import { Client, assert, campaign, rest, run, step, thread, users } from "./lib.mjs";

step("two users of the service talk", async () => {
  const { id: threadId } = await thread(users.ada, users.ben);
  const ada = await Client.of(users.ada);
  const ben = await Client.of(users.ben);
  await ada.join(threadId);

  const sent = await ada.ask("sendMessage", { threadId, content: "Hello!", clientMsgId: "m-1" });
  assert.equal(sent.success, true, JSON.stringify(sent));
  const [heard] = await ben.next("newMessage", (message) => message.content === "Hello!");
  assert.equal(heard.id, sent.message.id);
  assert.equal(heard.sender.id, users.ada.id);
  const again = await ada.ask("sendMessage", { threadId, content: "Hello!", clientMsgId: "m-1" });
  assert.equal(again.message.id, sent.message.id, "sent again, it is still one message");

  ben.emit("markAsRead", { messageId: sent.message.id });
  await ada.next("messageRead", (read) => read.messageId === sent.message.id);

  const answer = await rest(users.ben, "POST", `/api/messaging/threads/${threadId}/messages`, { content: "Hi Ada" });
  assert.equal(answer.status, 201, answer.text);
  await ada.next("newMessage", (message) => message.id === answer.body.id);

  const { body } = await rest(users.ada, "GET", `/messaging/threads/${threadId}/messages`);
  assert.deepEqual(body.map(({ content }) => content), ["Hi Ada", "Hello!"]);
});

step("whom the service does not know is nobody", async () => {
  const stranger = new Client("a token that the service never gave");
  await stranger.next("(disconnect)");
  const list = await rest("a token that the service never gave", "GET", "/messaging/threads");
  assert.equal(list.status, 401, list.text);
  assert.match(list.body.message, /there is no such session/);
});

step("who is not in the thread hears and reads nothing", async () => {
  const { id: threadId } = await thread(users.ada, users.ben, { campaignId: campaign() });
  const eve = await Client.of(users.eve);
  eve.emit("joinThread", { threadId });
  await eve.next("error");
  const read = await rest(users.eve, "GET", `/messaging/threads/${threadId}/messages`);
  assert.equal(read.status, 403, read.text);
});

await run();
