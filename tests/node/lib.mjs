// What the scenarios share: stock clients that remember all they hear, REST, and a runner with deadlines.
// A scenario is a list of steps; the first failure ends it, with the step's name and the reason.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { io } from "socket.io-client";

/** The server under test, its users and the transports to use: given by the Rust test that runs the script. */
export const world = JSON.parse(process.env.TIDINGS_WORLD);
export const { users, secret } = world;
export let { url } = world;

/** Talks to this server from now on: for scenarios that start theirs themselves. */
export function talkTo(server) {
  ({ url } = server);
}

/** How long any awaited thing may take, in milliseconds. Only failing scenarios ever reach it. */
export const DEADLINE = 30_000;

/** Settles like `promise`, or rejects with `what` after the deadline. */
export function within(promise, what, ms = DEADLINE) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${typeof what === "function" ? what() : what}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const open = new Set();

/** A stock socket.io client in the campaign namespace, and everything it has heard, in order. */
export class Client {
  constructor(token, options = {}) {
    this.heard = [];
    this.waiters = new Set();
    const { auth = { token }, namespace = "/messaging", ...rest } = options;
    this.socket = io(`${url}${namespace}`, {
      auth,
      forceNew: true,
      reconnection: false,
      ...(world.transports ? { transports: world.transports } : {}),
      ...rest,
    });
    open.add(this);
    const note = (event, args) => {
      this.heard.push({ event, args, taken: false });
      for (const waiter of [...this.waiters]) waiter();
    };
    this.socket.on("connect", () => note("(connect)", []));
    this.socket.on("disconnect", (reason) => note("(disconnect)", [reason]));
    this.socket.on("connect_error", (error) => note("(connect_error)", [error.message]));
    this.socket.onAny((event, ...args) => note(event, args));
  }

  /** Connects as one of the users and waits for `connected`. */
  static async of(user, options) {
    const client = new Client(user.token, options);
    client.user = user;
    const [payload] = await client.next("connected");
    assert.deepEqual(payload, { userId: user.id, role: user.role, message: "Connected to messaging" });
    return client;
  }

  /** The arguments of the first event of this name, and that `fits`, which no earlier call took. */
  next(event, fits = () => true, ms = DEADLINE) {
    const take = () => {
      const found = this.heard.find((entry) => !entry.taken && entry.event === event && fits(...entry.args));
      if (found) found.taken = true;
      return found?.args;
    };
    const already = take();
    if (already) return Promise.resolve(already);
    let waiter;
    const found = new Promise((resolve) => {
      waiter = () => {
        const args = take();
        if (args) resolve(args);
      };
      this.waiters.add(waiter);
    });
    const seen = () => `${event} to ${this.user?.name ?? "a client"}; heard so far: ${this.summary()}`;
    return within(found, seen, ms).finally(() => this.waiters.delete(waiter));
  }

  /** First arguments of all events of this name, from the mark on. */
  all(event, mark = 0) {
    return this.heard.slice(mark).filter((entry) => entry.event === event).map((entry) => entry.args[0]);
  }

  /** A place in what was heard, for `all` and `hushed`. */
  mark() {
    return this.heard.length;
  }

  /** Names of the events since the mark, without those that `expected` lists. */
  hushed(mark, ...expected) {
    const extra = this.heard.slice(mark).filter(({ event }) => !expected.includes(event));
    assert.deepEqual(extra.map(({ event, args }) => [event, ...args]), [], `${this.user?.name} should have heard nothing more`);
  }

  summary() {
    return JSON.stringify(this.heard.slice(-12).map(({ event, args }) => [event, ...args])).slice(0, 2000);
  }

  emit(event, ...args) {
    this.socket.emit(event, ...args);
  }

  /** Emits with a callback and gives what it was called with. */
  ask(event, ...args) {
    return within(this.socket.emitWithAck(event, ...args), `the ack of ${event} to ${this.user?.name}; heard: ${this.summary()}`);
  }

  /** An exchange that the server answers in order: whatever it had queued for this socket before is here after it. */
  async settled() {
    const id = "0197f000-0000-7000-8000-00000000" + String(++settling).padStart(4, "0");
    this.emit("leaveThread", { threadId: id });
    await this.next("threadLeft", (payload) => payload.threadId === id);
    const entry = this.heard.findLastIndex(({ event, args }) => event === "threadLeft" && args[0].threadId === id);
    this.heard.splice(entry, 1);
  }

  async join(threadId) {
    this.emit("joinThread", { threadId });
    const [payload] = await this.next("threadJoined", (joined) => joined.threadId === threadId);
    assert.deepEqual(payload, { threadId });
  }

  /** Stays connected beyond its step. */
  kept() {
    open.delete(this);
    return this;
  }

  close() {
    this.socket.disconnect();
    open.delete(this);
  }
}

let settling = 0;

/** A REST call as a user (or with a raw token, or with none). */
export async function rest(user, method, path, body, extra = {}) {
  const headers = { ...extra.headers };
  const token = typeof user === "string" ? user : user?.token;
  if (token !== undefined) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] ??= "application/json";
  const sent = body === undefined || typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body);
  const response = await fetch(`${url}${path}`, { method, headers, body: sent, signal: AbortSignal.timeout(DEADLINE) });
  const text = await response.text();
  const isJson = (response.headers.get("content-type") ?? "").includes("application/json");
  return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : undefined };
}

const REASONS = {
  400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 409: "Conflict",
  413: "Payload Too Large", 414: "URI Too Long", 415: "Unsupported Media Type", 422: "Unprocessable Entity", 431: "Request Header Fields Too Large",
};

/** Asserts the contract's error body: Nest's `{message, error, statusCode}`. `message` may be a text or a pattern. */
export function assertNest(answer, status, message) {
  const statuses = [status].flat();
  assert.ok(statuses.includes(answer.status), `status ${answer.status}, not ${statuses}: ${answer.text}`);
  assert.ok(answer.body, `not a JSON body: ${answer.status} ${answer.headers.get("content-type")} ${answer.text}`);
  assert.equal(answer.body.statusCode, answer.status, answer.text);
  assert.equal(answer.body.error, REASONS[answer.status], answer.text);
  assert.deepEqual(Object.keys(answer.body).sort(), ["error", "message", "statusCode"], answer.text);
  if (typeof message === "string") assert.equal(answer.body.message, message);
  else if (message) assert.match(String(answer.body.message), message);
  else assert.ok(String(answer.body.message).length > 0, answer.text);
}

let campaigns = 0;

/** A fresh campaign id, a UUID as the campaign system's are. */
export function campaign() {
  campaigns += 1;
  return `c0ffee00-0000-4000-8000-${String(campaigns).padStart(12, "0")}`;
}

/** Opens a thread between an advertiser and a promoter, as the first of them. */
export async function thread(advertiser = users.alice, promoter = users.bob, extra = {}) {
  const body = { campaignId: campaign(), promoterId: promoter.id, advertiserId: advertiser.id, ...extra };
  const answer = await rest(advertiser, "POST", "/messaging/threads", body);
  assert.equal(answer.status, 201, answer.text);
  return answer.body;
}

/** Sends over REST and gives the message. */
export async function post(user, threadId, content, extra = {}) {
  const answer = await rest(user, "POST", `/messaging/threads/${threadId}/messages`, { content, ...extra });
  assert.equal(answer.status, 201, answer.text);
  return answer.body;
}

let fences = 0;

/**
 * Shows that nothing is still under way: a message that the counterpart sends now reaches all of these sockets, and
 * events of a thread arrive in order, so what has not arrived before it never will.
 */
export async function fence(threadId, from, ...clients) {
  const content = `fence ${++fences}`;
  await post(from, threadId, content);
  for (const client of clients) {
    await client.next("newMessage", (message) => message.content === content);
    const at = client.heard.findLastIndex(({ event, args }) => event === "newMessage" && args[0].content === content);
    client.heard.splice(at, 1);
    await client.settled();
  }
}

/** Another pair chats in the meantime: whatever happens to one connection must not reach theirs. */
export class Bystanders {
  static async start() {
    const self = new Bystanders();
    self.thread = (await thread(users.carol, users.dave)).id;
    self.carol = await Client.of(users.carol);
    self.dave = await Client.of(users.dave);
    await self.carol.join(self.thread);
    await self.dave.join(self.thread);
    self.mark = [self.carol.mark(), self.dave.mark()];
    self.sent = 0;
    return self;
  }

  /** One message each way, over the sockets they have had from the start. */
  async chat() {
    for (const from of [this.carol, this.dave]) {
      const content = `unharmed ${++this.sent}`;
      const ack = await from.ask("sendMessage", { threadId: this.thread, content });
      assert.equal(ack.success, true, JSON.stringify(ack));
      for (const to of [this.carol, this.dave]) await to.next("newMessage", (message) => message.content === content);
    }
    // Neither lost their connection, nor heard anything that is not theirs.
    this.carol.hushed(this.mark[0], "newMessage");
    this.dave.hushed(this.mark[1], "newMessage");
    for (const client of [this.carol, this.dave]) {
      for (const message of client.all("newMessage")) assert.equal(message.threadId, this.thread);
    }
  }
}

const base64url = (value) => Buffer.from(value).toString("base64url");

/** A token of our own making: the claims of a real one, changed, signed with any secret. */
export function forge(user, { claims = {}, header = { alg: "HS256", typ: "JWT" }, key = secret } = {}) {
  const real = JSON.parse(Buffer.from(user.token.split(".")[1], "base64url"));
  const signed = `${base64url(JSON.stringify(header))}.${base64url(JSON.stringify({ ...real, ...claims }))}`;
  if (header.alg === "none") return `${signed}.`;
  return `${signed}.${createHmac("sha256", key).update(signed).digest("base64url")}`;
}

/** Tokens that must not let anybody in, by what is wrong with them. */
export function badTokens(user) {
  const now = Math.floor(Date.now() / 1000);
  const [head, body, signature] = user.token.split(".");
  return {
    garbage: "garbage",
    "three garbage parts": "a.b.c",
    expired: forge(user, { claims: { iat: now - 7200, exp: now - 3600 } }),
    "wrong secret": forge(user, { key: "another secret that is also long enough to be one" }),
    "alg none": forge(user, { header: { alg: "none", typ: "JWT" } }),
    "alg None": forge(user, { header: { alg: "None", typ: "JWT" } }),
    "not yet valid": forge(user, { claims: { nbf: now + 3600 } }),
    "no signature": `${head}.${body}.`,
    "another body": `${head}.${base64url(JSON.stringify({ sub: "somebody-else", role: "ADVERTISER", exp: now + 3600 }))}.${signature}`,
    "very long": "x".repeat(6000),
  };
}

const steps = [];

/** Adds a step to the scenario. */
export function step(name, body) {
  steps.push({ name, body });
}

const endings = [];

/** What is to be done when the scenario ends, however it ends. */
export function atEnd(ending) {
  endings.push(ending);
}

async function end(code) {
  for (const ending of endings.reverse()) await within(Promise.resolve(ending()), "an ending").catch(console.log);
  process.exit(code);
}

/** Runs the steps one after another and ends the process. */
export async function run() {
  for (const { name, body } of steps) {
    // A step closes what it opened; what the script opened before stays.
    const kept = new Set(open);
    try {
      await within(body(), `the step "${name}"`, 4 * DEADLINE);
      console.log(`ok: ${name}`);
    } catch (error) {
      console.log(`FAILED: ${name}`);
      console.log(error.stack ?? error);
      if (error.cause) console.log("because of", error.cause);
      await end(1);
    } finally {
      for (const client of [...open]) if (!kept.has(client)) client.close();
    }
  }
  assert.ok(steps.length > 0, "a scenario without steps");
  await end(0);
}

export { assert };
