// Frames that no client of ours sends, on raw WebSockets and raw long-polling: at worst the sender's own connection
// ends; nobody else's does, and the server never hangs on one.

import WebSocket from "ws";
import { Bystanders, assert, run, step, thread, url, users, within } from "./lib.mjs";

const { id: threadId } = await thread();
const bystanders = await Bystanders.start();

/** A raw Engine.IO connection over WebSocket, in the namespace unless told otherwise. */
class Raw {
  static async open({ user = users.alice, connect = true } = {}) {
    const self = new Raw();
    self.frames = [];
    self.listeners = new Set();
    self.ws = new WebSocket(`${url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`, { maxPayload: 1 << 26 });
    self.ws.on("error", () => {});
    self.ws.on("message", (data, isBinary) => self.note(isBinary ? "(binary)" : data.toString()));
    self.ws.on("close", (code) => self.note(`(closed ${code})`));
    self.opened = JSON.parse((await self.next((frame) => frame.startsWith("0"))).slice(1));
    if (connect) {
      self.ws.send(`40/messaging,${JSON.stringify({ token: user.token })}`);
      await self.next((frame) => frame.includes('"connected"'));
    }
    return self;
  }

  note(frame) {
    if (frame === "2" && this.ws.readyState === WebSocket.OPEN) this.ws.send("3");
    else this.frames.push(frame);
    for (const listener of [...this.listeners]) listener();
  }

  next(fits) {
    const found = () => {
      const at = this.frames.findIndex(fits);
      return at < 0 ? undefined : this.frames.splice(at, 1)[0];
    };
    const already = found();
    if (already !== undefined) return Promise.resolve(already);
    let listener;
    const waiting = new Promise((resolve) => {
      listener = () => {
        const frame = found();
        if (frame !== undefined) resolve(frame);
      };
      this.listeners.add(listener);
    });
    return within(waiting, () => `a frame; so far ${JSON.stringify(this.frames).slice(0, 500)}`).finally(() =>
      this.listeners.delete(listener),
    );
  }

  /** Either the connection ends, or it still answers an event properly. */
  async survivesOrEnds(name) {
    const ack = Math.floor(Math.random() * 1e6) + 1000;
    if (this.ws.readyState === WebSocket.OPEN) this.ws.send(`42/messaging,${ack}["joinThread",{"threadId":"${threadId}"}]`);
    const frame = await within(
      this.next((heard) => heard.startsWith("(closed") || heard.startsWith(`43/messaging,${ack}`)),
      name,
    );
    this.ws.terminate();
    return frame.startsWith("43");
  }
}

/** Says it on a fresh connection and then asks whether it lives. */
async function say(name, frames, options) {
  const raw = await Raw.open(options);
  for (const frame of frames) raw.ws.send(frame);
  return raw.survivesOrEnds(name);
}

const deep = "[".repeat(10_000) + "]".repeat(10_000);

step("JSON 10,000 levels deep", async () => {
  const frames = {
    payload: `42/messaging,["sendMessage",${deep}]`,
    content: `42/messaging,["sendMessage",{"threadId":"${threadId}","content":${deep}}]`,
    objects: `42/messaging,["sendMessage",${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}]`,
    "instead of a name": `42/messaging,${deep}`,
    unclosed: `42/messaging,["sendMessage",${"[".repeat(30_000)}`,
    "in an ack": `43/messaging,1${deep}`,
    "in CONNECT": `40/messaging,${deep}`,
  };
  for (const [name, frame] of Object.entries(frames)) await say(name, [frame]);
  await bystanders.chat();
});

step("frames beyond the limits", async () => {
  const { opened } = await Raw.open({ connect: false });
  assert.ok(opened.maxPayload > 0, "the limit is announced");
  const event = (size) => `42/messaging,["sendMessage",{"threadId":"${threadId}","content":"${"x".repeat(size)}"}]`;
  // Over the limit of a message and of a usual frame.
  for (const size of [70_000, 200_000]) assert.ok(await say(`${size} bytes`, [event(size)]), `${size} bytes are answered`);
  for (const size of [opened.maxPayload + 1, 2 * opened.maxPayload, 8_000_000]) {
    assert.equal(await say(`${size} bytes`, [event(size)]), false, `${size} bytes are over maxPayload: the connection ends`);
  }
  await bystanders.chat();
});

step("bytes that are no packets", async () => {
  const cases = [
    "", " ", "x", "9", "4", "49", "4x", "42", "42/", "42/messaging", "42/messaging,", "42/messaging,[", "42/messaging,[]", "42/messaging,{}", "42/messaging,null",
    "42/messaging,[7]", "42/messaging,[null]", "42/messaging,[{}]", '42/messaging,["sendMessage"', '42/messaging,["sendMessage",]', "42/messaging,[\"\\ud800\"]",
    '42/messaging,99999999999999999999999999["sendMessage",{}]', '42/messaging,-1["sendMessage",{}]', "43/messaging,1", "43/messaging,[]", "43/messaging,999[]",
    "44/messaging,{}", "45/messaging,", '451-/messaging,["x",{"_placeholder":true,"num":0}]', '45999999999-/messaging,["x"]', "46/messaging,1-[]", "47/messaging,",
    "40", "40/", "40/messaging", "40/messaging,", "40/messaging,{", "40/messaging,[]", "40/messaging,7", '40/messaging,{"token":7}', "41", "41/nowhere,", "3", "3probe", "5", "6", "0{}", "1",
    `42${"/".repeat(60_000)},["x"]`, `42/messaging,${"1".repeat(60_000)}["x"]`, "\u0000", "\ud83d\ude00", "4\u00002", `42/messaging,["${"\\u0000".repeat(1000)}"]`, "b", "bAAAA", "b!!!!",
  ];
  // All at once: a peer that the server does not know may be left alone for its ten seconds.
  await Promise.all(cases.map((frame) => say(JSON.stringify(frame).slice(0, 60), [frame])));
  const unknown = { connect: false };
  await Promise.all(cases.map((frame) => say(`${JSON.stringify(frame).slice(0, 60)} first`, [frame], unknown)));
  await bystanders.chat();
});

step("binary frames", async () => {
  for (const frame of [Buffer.alloc(0), Buffer.from([4, 0x32]), Buffer.alloc(60_000, 0xff), Buffer.from('42/messaging,["x"]')]) {
    await say(`${frame.length} bytes`, [frame]);
  }
  // An announced attachment that never comes does not hold the others up.
  await say("a missing attachment", ['451-/messaging,["sendMessage",{"_placeholder":true,"num":0}]', '42/messaging,["x"]']);
  await bystanders.chat();
});

step("a flood of bad events on one connection", async () => {
  const raw = await Raw.open();
  for (let at = 0; at < 2_000; at += 1) {
    if (raw.ws.readyState === WebSocket.OPEN) raw.ws.send(`42/messaging,["sendMessage",{"threadId":${at}}]`);
  }
  await raw.survivesOrEnds("a flood");
  await bystanders.chat();
});

step("raw WebSocket bytes that break the protocol", async () => {
  const frames = [
    Buffer.alloc(14, 0xff),
    Buffer.from([0x81, 0x05, 0x68, 0x65, 0x6c, 0x6c, 0x6f]),
    Buffer.from([0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
    Buffer.from([0xc1, 0x80, 0, 0, 0, 0]),
    Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28]),
    Buffer.from([0x00, 0x81, 0, 0, 0, 0, 0x34]),
    Buffer.alloc(100_000, 0x41),
  ];
  for (const bytes of frames) {
    const raw = await Raw.open();
    raw.ws._socket.write(bytes);
    await within(raw.next((frame) => frame.startsWith("(closed")), `the end after ${bytes.toString("hex").slice(0, 20)}`);
  }
  await bystanders.chat();
});

const poll = (query, init = {}) =>
  fetch(`${url}/socket.io/?${query}`, { ...init, signal: AbortSignal.timeout(10_000) }).then(async (response) => ({
    status: response.status,
    text: await response.text(),
  }));

step("long-polling with bad queries and bodies", async () => {
  const queries = [
    "", "EIO=4", "EIO=3&transport=polling", "EIO=9&transport=polling", "transport=polling", "EIO=4&transport=carrier-pigeon", "EIO=4&transport=polling&sid=nobody",
    `EIO=4&transport=polling&sid=${"x".repeat(4000)}`, "EIO=4&transport=polling&sid=%00%ff", "EIO=4&transport=websocket",
  ];
  for (const query of queries) {
    for (const method of ["GET", "POST", "PUT", "DELETE"]) {
      const answer = await poll(query, { method, ...(method === "GET" ? {} : { body: "x" }) });
      assert.ok(answer.status >= 400 && answer.status < 500, `${method} ${query.slice(0, 60)}: ${answer.status} ${answer.text}`);
    }
  }
  for (const body of ["x", "9", "4x", "\u001e\u001e", "\u0000", `42/messaging,["x",${deep}]`, "4".repeat(60_000), "b!!!!"]) {
    const opened = JSON.parse((await poll("EIO=4&transport=polling")).text.slice(1));
    const answer = await poll(`EIO=4&transport=polling&sid=${opened.sid}`, { method: "POST", body });
    assert.ok(answer.status < 500, `${JSON.stringify(body.slice(0, 20))}: ${answer.status}`);
  }
  const opened = JSON.parse((await poll("EIO=4&transport=polling")).text.slice(1));
  const large = await poll(`EIO=4&transport=polling&sid=${opened.sid}`, { method: "POST", body: "4".repeat(opened.maxPayload + 1) });
  assert.ok(large.status === 413 || large.status === 400, `over maxPayload: ${large.status}`);
  await bystanders.chat();
});

await run();
