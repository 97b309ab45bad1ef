// Connecting, and what a client may do before it has heard `connected`.

import { Client, assert, post, run, step, thread, users, within, world } from "./lib.mjs";
import { assertMessage } from "./shapes.mjs";

step("connected is the first thing a socket hears, once", async () => {
  const alice = await Client.of(users.alice);
  await alice.settled();
  assert.deepEqual(alice.heard.map(({ event }) => event), ["(connect)", "connected"]);
});

step("the Authorization header does where there is no auth.token", async () => {
  const extraHeaders = { Authorization: `Bearer ${users.bob.token}` };
  const bob = await Client.of(users.bob, { auth: {}, extraHeaders });
  await bob.settled();
  // auth.token wins over the header.
  await Client.of(users.alice, { extraHeaders });
});

for (const transports of [["websocket"], ["polling", "websocket"]]) {
  step(`a client that offers subprotocols connects over ${transports}`, async () => {
    for (const protocols of [["x"], ["chat.v2", "x"], "x"]) {
      const alice = await Client.of(users.alice, { transports, protocols });
      const { engine } = alice.socket.io;
      if (engine.transport.name !== "websocket") {
        await within(new Promise((resolve) => engine.once("upgrade", resolve)), "the upgrade");
      }
      assert.equal(engine.transport.ws.protocol, [protocols].flat()[0]);
      await alice.settled();
    }
  });
}

step("events sent in the connect handler, before connected, all work (D9)", async () => {
  const { id: threadId } = await thread();
  const { id: messageId } = await post(users.bob, threadId, "waiting");
  const bob = await Client.of(users.bob);
  const alice = new Client(users.alice.token);
  alice.user = users.alice;
  const acks = new Promise((resolve) => {
    alice.socket.on("connect", () => {
      alice.emit("joinThread", { threadId });
      alice.emit("typing", { threadId, isTyping: true });
      alice.emit("markAsRead", { messageId });
      const sent = alice.ask("sendMessage", { threadId, content: "eager" });
      resolve(sent);
    });
  });
  const ack = await acks;
  assert.equal(ack.success, true, JSON.stringify(ack));
  assertMessage(ack.message, { threadId, user: users.alice, content: "eager" });
  await alice.next("connected");
  await alice.next("threadJoined");
  await alice.next("newMessage", (message) => message.content === "eager");
  await bob.next("userTyping", (typing) => typing.isTyping);
  await bob.next("messageRead", (read) => read.messageId === messageId);
  await bob.next("newMessage", (message) => message.content === "eager");
  await alice.settled();
  assert.deepEqual(alice.all("error"), []);
  const order = alice.heard.map(({ event }) => event);
  assert.ok(order.indexOf("connected") < order.indexOf("threadJoined"), `connected comes first: ${order}`);
});

step("events that the client library buffered before the connection work too", async () => {
  const { id: threadId } = await thread();
  const alice = new Client(users.alice.token);
  alice.emit("joinThread", { threadId });
  for (let at = 1; at <= 20; at += 1) alice.emit("sendMessage", { threadId, content: `buffered ${at}` });
  await alice.next("newMessage", (message) => message.content === "buffered 20");
  assert.deepEqual(
    alice.all("newMessage").map((message) => message.content),
    Array.from({ length: 20 }, (_, at) => `buffered ${at + 1}`),
  );
});

step("a namespace that is not there is refused", async () => {
  for (const namespace of ["/nowhere", "/"]) {
    const lost = new Client(users.alice.token, { namespace });
    const [message] = await lost.next("(connect_error)");
    assert.equal(message, "Invalid namespace");
  }
});

step("the asked transport is the one in use", async () => {
  const alice = await Client.of(users.alice);
  const { engine } = alice.socket.io;
  const name = () => engine.transport.name;
  if (world.transports) assert.equal(name(), world.transports[0]);
  else if (name() !== "websocket") await new Promise((resolve) => engine.once("upgrade", resolve));
  await alice.settled();
  assert.equal(name(), world.transports?.[0] ?? "websocket");
});

step("a client that leaves and comes back is served as before", async () => {
  const { id: threadId } = await thread();
  const alice = await Client.of(users.alice);
  alice.socket.disconnect();
  await alice.next("(disconnect)");
  alice.socket.connect();
  await alice.next("connected");
  await post(users.bob, threadId, "welcome back");
  await alice.next("newMessage", (message) => message.content === "welcome back");
});

await run();
