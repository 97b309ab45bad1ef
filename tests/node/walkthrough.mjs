// docs/migrating-from-campaign.md, followed to the letter: its settings, its commands, two users of the old system.

import { execFile } from "node:child_process";
import { createServer } from "node:http";
import { createSign, generateKeyPairSync } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { Client, DEADLINE, assert, assertNest, atEnd, post, rest, run, step, talkTo, world } from "./lib.mjs";
import { Served, folder, tidings } from "./served.mjs";

const page = await readFile(join(import.meta.dirname, "../../docs/migrating-from-campaign.md"), "utf8");

/** The page's blocks of a language, in order. */
const blocks = (language) => [...page.matchAll(new RegExp("^```" + language + "\\n([\\s\\S]*?)^```$", "gm"))].map(([, text]) => text);

const commands = blocks("sh");
const tried = new Set();
/** The only command with this in it. */
function command(part) {
  const found = commands.filter((text) => text.includes(part));
  assert.equal(found.length, 1, part);
  tried.add(found[0]);
  return found[0];
}

// The old system's issuer: tokens with its own uids, and nothing of roles or names.
const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const keys = JSON.stringify({ keys: [{ ...publicKey.export({ format: "jwk" }), kid: "k", alg: "RS256", use: "sig" }] });
const issuer = createServer((_, response) => response.writeHead(200, { "content-type": "application/json" }).end(keys));
await new Promise((resolve) => issuer.listen(0, "127.0.0.1", resolve));
atEnd(() => issuer.closeAllConnections());
const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

function tokenOf(sub, claims = {}) {
  const now = Math.floor(Date.now() / 1000);
  const signed = `${part({ alg: "RS256", typ: "JWT", kid: "k" })}.${part({ sub, iat: now, exp: now + 3600, ...claims })}`;
  return `${signed}.${createSign("RSA-SHA256").update(signed).sign(privateKey, "base64url")}`;
}

const brand = { id: "77aa0000-0000-4000-8000-000000000001", role: "ADVERTISER", name: "Fashion Brand Co", token: tokenOf("firebase-advertiser-uid") };
const john = { id: "9b2f0000-0000-4000-8000-000000000002", role: "PROMOTER", name: "John Doe", token: tokenOf("firebase-promoter-uid") };
const campaignId = "4c1d0000-0000-4000-8000-000000000003";
const threadId = "0d3c0000-0000-4000-8000-000000000004";
const imported = ["5a7e0000-0000-4000-8000-000000000005", "5a7e0000-0000-4000-8000-000000000006"];

const cwd = await folder();
/** The page's settings. What it cannot know, the project at Google, is an issuer on this machine when we run it. */
const config = blocks("toml").join("\n");
const local = config.replace('firebase = "your-project-id"', `jwks_url = "http://127.0.0.1:${issuer.address().port}/"`);
let server;
let SERVICE;

/** Runs a command of the page in a shell where `tidings` is the binary, and gives what it printed. */
async function shell(text) {
  const PATH = `${dirname(world.binary)}:${process.env.PATH}`;
  const env = { ...process.env, PATH, TIDINGS: server?.url ?? "", SERVICE: SERVICE ?? "" };
  return (await promisify(execFile)("sh", ["-euc", text], { cwd, env, timeout: DEADLINE })).stdout;
}

step("the page's settings are right, as they stand", async () => {
  await writeFile(join(cwd, "tidings.toml"), config);
  await tidings(cwd, {}, "config", "check");
  assert.notEqual(local, config);
});

step("the server starts, and the host's token is made beside it", async () => {
  server = await Served.start({ cwd, config: local });
  talkTo(server);
  SERVICE = (await shell(`${command("token mint")}\nprintf %s "$SERVICE"`)).trim();
  assert.equal(SERVICE.split(".").length, 3);
});

step("nobody is let in before the host has told about them", async () => {
  assertNest(await rest(brand, "GET", "/messaging/threads"), 401, /^Authentication failed: /);
  const client = new Client(brand.token);
  await client.next("(disconnect)");
  assert.deepEqual(client.all("connected"), []);
});

step("users and their campaign, twice", async () => {
  for (let again = 0; again < 2; again += 1) await shell(command("/v1/contexts/campaign/"));
  const client = await Client.of(brand);
  await client.settled();
});

const shownIn = ["campaign"];

step("the history, twice: what is there is passed over", async () => {
  const told = async () => JSON.parse(await shell(command('-d \'{"threads"'))).threads;
  assert.deepEqual(await told(), [{ id: threadId, created: true, added: 2, known: 0, shownIn }]);
  assert.deepEqual(await told(), [{ id: threadId, created: false, added: 0, known: 2, shownIn }]);
  const { body } = await rest(john, "GET", `/api/messaging/threads/${threadId}/messages`);
  assert.deepEqual(body.map(({ id }) => id), imported.toReversed());
  assert.deepEqual(body.map(({ createdAt }) => createdAt), ["2025-08-08T10:30:00.000Z", "2025-08-08T09:15:00.000Z"]);
  assert.deepEqual(body.map(({ sender }) => sender.username), [john.name, brand.name]);
  const [entry] = (await rest(brand, "GET", "/messaging/threads")).body;
  assert.deepEqual([entry.id, entry.subject, entry.unreadCount, entry.campaign.title], [threadId, "Campaign Discussion", 0, "Summer Fashion Campaign"]);
  assert.equal(entry.promoter.profilePictureUrl, "https://s3.example.org/avatar1.jpg");
});

step("what was written since comes with the next import, with the read marks", async () => {
  const more = JSON.parse(/-d '(\{"threads"[\s\S]*?)'\n/.exec(command('-d \'{"threads"'))[1]);
  const [thread] = more.threads;
  const createdAt = "2025-08-08T11:00:00.000Z";
  thread.messages.push({ id: "5a7e0000-0000-4000-8000-000000000007", senderId: john.id, content: "And one more.", createdAt });
  const again = await rest(SERVICE, "POST", "/v1/import/threads", more);
  assert.deepEqual(JSON.parse(again.text).threads, [{ id: threadId, created: false, added: 1, known: 2, shownIn }]);
  assert.equal((await rest(brand, "GET", "/messaging/threads")).body[0].unreadCount, 1);
  thread.members[0].readUntil = createdAt;
  assert.equal((await rest(SERVICE, "POST", "/v1/import/threads", more)).status, 200);
  assert.equal((await rest(brand, "GET", "/messaging/threads")).body[0].unreadCount, 0);
});

step("opening the thread finds it, from the host and from the frontend", async () => {
  const found = JSON.parse(await shell(command("$TIDINGS/v1/threads\" \\")));
  assert.deepEqual([found.id, found.created], [threadId, false]);
  const answer = await rest(john, "POST", "/api/messaging/threads", { campaignId });
  assertNest(answer, 400, "Thread already exists for this campaign and users");
  assert.equal((await rest(john, "GET", `/api/messaging/campaigns/${campaignId}/thread`)).body.id, threadId);
});

step("a new campaign: the frontend opens its thread with the campaign's id alone", async () => {
  const next = "4c1d0000-0000-4000-8000-000000000013";
  const parties = [brand, john].map(({ id: userId, role }) => ({ userId, role }));
  assert.equal((await rest(SERVICE, "PUT", `/v1/contexts/campaign/${next}`, { title: "Winter", parties })).status, 204);
  assert.equal((await rest(brand, "GET", `/api/messaging/campaigns/${next}/thread`)).text, "null");
  const opened = await rest(brand, "POST", "/api/messaging/threads", { campaignId: next });
  assert.equal(opened.status, 201, opened.text);
  assert.deepEqual([opened.body.advertiserId, opened.body.promoterId], [brand.id, john.id]);
  await post(brand, opened.body.id, "about winter");
  const { body } = await rest(john, "GET", `/api/messaging/campaigns/${next}/has-new-messages`);
  assert.deepEqual(body, { hasNewMessages: true, unreadCount: 1 });
});

step("whom and what nobody told about is not found: strict", async () => {
  const named = { campaignId, advertiserId: brand.id, promoterId: "somebody" };
  const unknown = await rest(brand, "POST", "/messaging/threads", { campaignId: "4c1d0000-0000-4000-8000-00000000dead" });
  assertNest(unknown, 404, "Campaign not found");
  const all = await rest(brand, "POST", "/messaging/threads", { ...named, campaignId: "4c1d0000-0000-4000-8000-00000000dead", promoterId: john.id });
  assertNest(all, 404, "Campaign not found");
  assertNest(await rest(brand, "POST", "/messaging/threads", named), [403, 404]);
  assertNest(await rest(tokenOf("firebase-nobody"), "GET", "/messaging/threads"), 401, /^Authentication failed: /);
});

let sockets;

step("two clients chat", async () => {
  sockets = [(await Client.of(brand)).kept(), (await Client.of(john)).kept()];
  for (const socket of sockets) await socket.join(threadId);
  for (const [from, to] of [sockets, sockets.toReversed()]) {
    const content = `from ${from.user.name}`;
    from.emit("sendMessage", { threadId, content });
    for (const socket of [from, to]) {
      const [message] = await socket.next("newMessage", (message) => message.content === content);
      assert.deepEqual([message.senderType, message.sender.username], [from.user.role, from.user.name]);
    }
  }
  sockets[1].emit("markAsRead", { threadId });
  await sockets[0].next("threadRead", ({ userId }) => userId === john.id);
});

step("an older message comes too late once there are newer ones, and the answer says so", async () => {
  const more = JSON.parse(/-d '(\{"threads"[\s\S]*?)'\n/.exec(command('-d \'{"threads"'))[1]);
  const id = "5a7e0000-0000-4000-8000-000000000008";
  more.threads[0].messages.push({ id, senderId: john.id, content: "late", createdAt: "2025-08-08T12:00:00.000Z" });
  const late = await rest(SERVICE, "POST", "/v1/import/threads", more);
  assert.equal(late.status, 409, late.text);
  assert.equal(JSON.parse(late.text).code, "import-message-too-old");
  assert.ok(late.text.includes(id), late.text);
});

step("a member is taken out: his sockets hear nothing more of the thread, and he reads no more of it", async () => {
  const [hers, his] = sockets;
  const other = (await rest(brand, "GET", "/messaging/threads")).body.find(({ id }) => id !== threadId);
  await shell(command("-X DELETE"));
  const mark = his.mark();
  const began = performance.now();
  hers.emit("typing", { threadId, isTyping: true });
  assert.equal((await hers.ask("sendMessage", { threadId, content: "among ourselves" })).success, true);
  await post(brand, threadId, "over REST");
  await hers.ask("markAsRead", { threadId });
  // What comes after all that, in a thread that he is still in, has come.
  await post(brand, other.id, "elsewhere");
  await his.next("newMessage", ({ content }) => content === "elsewhere");
  await his.settled();
  const heard = his.heard.slice(mark).filter(({ args }) => args[0]?.threadId === threadId);
  assert.deepEqual(heard, []);
  console.log(`heard nothing from the answer on, for ${Math.round(performance.now() - began)} ms`);
  const ack = await his.ask("joinThread", { threadId });
  assert.equal(ack.error, "Access denied to this thread");
  for (const path of [`/messaging/threads/${threadId}`, `/messaging/threads/${threadId}/messages`]) {
    assertNest(await rest(john, "GET", path), 403, "You do not have access to this thread");
  }
  assert.deepEqual((await rest(john, "GET", "/messaging/threads")).body.map(({ id }) => id), [other.id]);
  assertNest(await rest(john, "POST", "/messaging/threads", { campaignId }), 403, "You do not have access to this thread");
  await shell(command("-X DELETE"));
});

step("he is brought back, and sees what is written from then on", async () => {
  await shell(command("-X PUT -H"));
  await shell(command("-X PUT -H"));
  assert.deepEqual((await rest(john, "GET", `/messaging/threads/${threadId}/messages`)).body, []);
  await post(brand, threadId, "welcome back");
  const { body } = await rest(john, "GET", `/messaging/threads/${threadId}/messages`);
  assert.deepEqual(body.map(({ content }) => content), ["welcome back"]);
  await shell(command("-X DELETE"));
});

step("a restart loses nothing", async () => {
  await server.restart();
  const { body } = await rest(brand, "GET", `/messaging/threads/${threadId}/messages`);
  assert.deepEqual(body.map(({ content }) => content).slice(0, 3), ["welcome back", "over REST", "among ourselves"]);
  assertNest(await rest(john, "GET", `/messaging/threads/${threadId}`), 403);
  server.assertUnshaken();
});

step("open mode: the ids that a caller names are taken, if the caller's own is among them", async () => {
  const open = await Served.start({ config: local.replace("strict = true", "strict = false") });
  server = open;
  talkTo(open);
  // A token of its own, by its own secret, beside it.
  SERVICE = await tidings(open.cwd, {}, "token", "mint", "--user", "host", "--scope", "service", "--ttl", "365d");
  await shell(command("/v1/contexts/campaign/"));
  const named = { campaignId: "4c1d0000-0000-4000-8000-00000000dead", advertiserId: brand.id, promoterId: "nobody-told-about" };
  const opened = await rest(brand, "POST", "/messaging/threads", named);
  assert.equal(opened.status, 201, opened.text);
  const foreign = { ...named, advertiserId: "somebody-else" };
  assertNest(await rest(brand, "POST", "/messaging/threads", foreign), 403, "You are not the advertiser for this campaign");
  // With the campaign's id alone there is still nobody to be found.
  assertNest(await rest(brand, "POST", "/messaging/threads", { campaignId: "4c1d0000-0000-4000-8000-0000deadbeef" }), 404, "Campaign not found");
  // Of a campaign that the host told about, its word counts.
  const stranger = { campaignId, advertiserId: brand.id, promoterId: "nobody-told-about" };
  assertNest(await rest(brand, "POST", "/messaging/threads", stranger), [400, 403, 404]);
  open.assertUnshaken();
});

step("every command of the page was tried, but those of the long import, which have a test of their own", async () => {
  const left = commands.filter((text) => !tried.has(text) && !text.includes("import.sh") && !text.includes("export.sql"));
  assert.deepEqual(left, []);
});

await run();
