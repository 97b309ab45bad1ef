// Large texts, in any spelling, and what is too large: answered where it can be, and never swallowed.

import WebSocket from "ws";
import { Client, assert, rest, run, step, thread, url, users, within } from "./lib.mjs";

const EMOJI = "😀";
// As JSON writers for ASCII spell it: twelve bytes for each.
const SPELLED = "\\ud83d\\ude00";
const LONGEST = 10_000;

const { id: threadId } = await thread();
const bob = await Client.of(users.bob);

const send = (content) => `["sendMessage",{"threadId":"${threadId}","content":"${content}"}]`;
const heard = (content) => bob.next("newMessage", (message) => message.content === content);

/** A session over long-polling, spoken by hand. */
class Polls {
  static async open() {
    const self = new Polls();
    self.base = `${url}/socket.io/?EIO=4&transport=polling`;
    const opened = await (await fetch(self.base)).text();
    self.opened = JSON.parse(opened.slice(1));
    self.base += `&sid=${self.opened.sid}`;
    assert.equal((await self.post(`40/messaging,${JSON.stringify({ token: users.alice.token })}`)).status, 200);
    await self.until(/"connected"/);
    return self;
  }

  post(body) {
    return within(fetch(this.base, { method: "POST", body, headers: { "Content-Type": "text/plain;charset=UTF-8" } }), "a POST");
  }

  /** Polls until what was heard matches; answers pings. */
  async until(pattern) {
    let heard = "";
    while (!pattern.test(heard)) {
      const response = await within(fetch(this.base), "a poll");
      assert.equal(response.status, 200, heard);
      const text = await response.text();
      if (text.split("\u001e").includes("2")) await this.post("3");
      heard += `${text}\u001e`;
    }
    return heard;
  }
}

step("the longest text in its longest spelling is sent, over every door", async () => {
  const { ws } = await raw();
  ws.send(`42/messaging,7${send(SPELLED.repeat(LONGEST))}`);
  assert.match(await reply(ws, /^43\/messaging,7/), /"success":true/);
  await heard(EMOJI.repeat(LONGEST));
  ws.close();
  const polls = await Polls.open();
  assert.equal((await polls.post(`42/messaging,8${send(SPELLED.repeat(LONGEST))}`)).status, 200);
  assert.match(await polls.until(/43\/messaging,8/), /"success":true/);
  await heard(EMOJI.repeat(LONGEST));
  const answer = await rest(users.alice, "POST", `/messaging/threads/${threadId}/messages`, `{"content":"${SPELLED.repeat(LONGEST)}"}`);
  assert.equal(answer.status, 201, answer.text);
  await heard(EMOJI.repeat(LONGEST));
});

for (const transports of [["websocket"], ["polling"], ["polling", "websocket"]]) {
  step(`over ${transports}: a text that is too long is answered, and the next one is sent`, async () => {
    const alice = await Client.of(users.alice, { transports });
    for (const length of [LONGEST + 1, 70_000, 900_000]) {
      const answer = await alice.ask("sendMessage", { threadId, content: "x".repeat(length) });
      assert.equal(answer.success, false, `${length} characters`);
      assert.match(JSON.stringify(answer), /10,?000/, "it says what is allowed");
      const [error] = await alice.next("error");
      assert.equal(error.message, answer.error);
    }
    assert.equal((await alice.ask("sendMessage", { threadId, content: `short, over ${transports}` })).success, true);
    await heard(`short, over ${transports}`);
    assert.deepEqual(alice.all("(disconnect)"), []);
  });

  step(`over ${transports}: a message over the limit closes the transport, and the client comes back`, async () => {
    const alice = await Client.of(users.alice, { transports, reconnection: true, reconnectionDelay: 10 });
    if (transports.length > 1) await upgraded(alice);
    const details = new Promise((resolve) => alice.socket.on("disconnect", (_, description) => resolve(description)));
    // It is not answered; a client that gave a time for the answer is told that none came.
    const unanswered = alice.socket.timeout(2_000).emitWithAck("sendMessage", { threadId, content: "x".repeat(1_000_001) });
    const [reason] = await alice.next("(disconnect)");
    assert.match(reason, /^transport (close|error)$/);
    const description = await details;
    if (transports.includes("websocket")) assert.match(String(description?.context?.code ?? description?.code ?? description), /1009/);
    await assert.rejects(unanswered);
    await alice.next("connected");
    assert.equal((await alice.ask("sendMessage", { threadId, content: `back, over ${transports}` })).success, true);
    await heard(`back, over ${transports}`);
  });
}

step("what a client before 4.5 has waiting is one request, and all of it is sent", async () => {
  const polls = await Polls.open();
  const texts = Array.from({ length: 40 }, (_, at) => `${at} ${"y".repeat(9_000)}`);
  const answer = await polls.post(texts.map((text, at) => `42/messaging,${at}${send(text)}`).join("\u001e"));
  assert.equal(answer.status, 200);
  for (const text of texts) await heard(text);
  const acks = await polls.until(/43\/messaging,39\[/);
  for (const at of texts.keys()) assert.match(acks, new RegExp(`43/messaging,${at}\\[.{0,40}true`), `the ack of ${at}`);
});

step("of a request over the limit nothing is done, and the client learns it", async () => {
  const polls = await Polls.open();
  const packets = [`42/messaging,${send("not even this")}`, `42/messaging,${send("z".repeat(polls.opened.maxPayload))}`];
  assert.equal((await polls.post(packets.join("\u001e"))).status, 413);
  assert.equal((await fetch(polls.base)).status, 400, "the session has ended");
  assert.equal((await polls.post("3")).status, 400);
  const again = await Client.of(users.alice);
  assert.equal((await again.ask("sendMessage", { threadId, content: "but this" })).success, true);
  await heard("but this");
  assert.deepEqual(bob.all("newMessage").filter(({ content }) => content === "not even this"), []);
});

step("before its token is checked a socket may send 16 KiB", async () => {
  // The largest token that is looked at, with something beside it.
  const padded = (size) => `40/messaging,${JSON.stringify({ token: users.alice.token, more: "x".repeat(size) })}`;
  const { ws } = await raw(padded(15_000));
  ws.close();
  const stranger = await raw(padded(17_000), false);
  const code = await within(new Promise((resolve) => stranger.ws.on("close", resolve)), "the end");
  assert.equal(code, 1009);
});

/** A raw WebSocket, in the namespace if `enters`. */
async function raw(connect = `40/messaging,${JSON.stringify({ token: users.alice.token })}`, enters = true) {
  const ws = new WebSocket(`${url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`);
  await within(new Promise((resolve) => ws.once("message", resolve)), "an open packet");
  ws.on("error", () => {});
  ws.send(connect);
  if (enters) await reply(ws, /"connected"/);
  return { ws };
}

/** The first frame that matches. */
function reply(ws, pattern) {
  const found = new Promise((resolve) => {
    ws.on("message", (data) => pattern.test(data.toString()) && resolve(data.toString()));
  });
  return within(found, `a frame like ${pattern}`);
}

/** Waits until a client has moved to a WebSocket. */
function upgraded(client) {
  const { engine } = client.socket.io;
  if (engine.transport.name === "websocket") return Promise.resolve();
  return within(new Promise((resolve) => engine.once("upgrade", resolve)), "the upgrade");
}

await run();
