// REST, route by route, under both prefixes.

import { gzipSync } from "node:zlib";

import { Client, assert, assertNest, campaign, post, rest, run, step, thread, users } from "./lib.mjs";
import { assertFullThread, assertMessage, assertThread } from "./shapes.mjs";

const sides = { promoter: users.bob, advertiser: users.alice };
const listed = async (user, query = "") => {
  const answer = await rest(user, "GET", `/messaging/threads${query}`);
  assert.equal(answer.status, 200, answer.text);
  return answer.body;
};

step("either side opens a thread; the answer is the bare thread", async () => {
  for (const [opener, prefix] of [[users.alice, "/messaging"], [users.bob, "/api/messaging"]]) {
    const campaignId = campaign();
    const body = { campaignId, promoterId: users.bob.id, advertiserId: users.alice.id, subject: "Summer fashion" };
    const answer = await rest(opener, "POST", `${prefix}/threads`, body);
    assert.equal(answer.status, 201, answer.text);
    assertThread(answer.body, { campaignId, ...sides, subject: "Summer fashion" });
    for (const field of ["campaign", "promoter", "advertiser", "unreadCount", "messages"]) {
      assert.ok(!(field in answer.body), `${field} in the answer to a creation`);
    }
    assert.equal(answer.body.lastMessageAt, answer.body.createdAt);
    // Once more, by either side: it exists.
    for (const user of [users.alice, users.bob]) {
      const again = await rest(user, "POST", "/messaging/threads", body);
      assertNest(again, 400, "Thread already exists for this campaign and users");
    }
  }
});

step("a subject may be left out, and unknown fields are passed over", async () => {
  const opened = await thread(users.alice, users.bob, { somethingNew: [1, 2, 3], senderType: "ADMIN" });
  assert.ok(opened.subject === null || opened.subject === undefined || typeof opened.subject === "string");
});

step("concurrent creates of one thread: one is created, the others are told (D7)", async () => {
  const campaignId = campaign();
  const body = { campaignId, promoterId: users.bob.id, advertiserId: users.alice.id };
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, at) => rest([users.alice, users.bob][at % 2], "POST", "/messaging/threads", body)),
  );
  const created = answers.filter(({ status }) => status === 201);
  assert.equal(created.length, 1, JSON.stringify(answers.map(({ status }) => status)));
  for (const answer of answers) {
    if (answer.status !== 201) assertNest(answer, 400, "Thread already exists for this campaign and users");
  }
  assert.equal((await listed(users.alice, `?campaignId=${campaignId}`)).length, 1);
});

step("the newest guide's client names the promoter alone", async () => {
  const campaignId = campaign();
  // As the guide has it, letter by letter.
  const createThread = (user, body) => rest(user, "POST", "/api/messaging/threads", body);
  const opened = await createThread(users.alice, { campaignId, promoterId: users.bob.id, subject: "Campaign Discussion" });
  assert.equal(opened.status, 201, opened.text);
  assertThread(opened.body, { campaignId, ...sides, subject: "Campaign Discussion" });
  const again = await createThread(users.alice, { campaignId, promoterId: users.bob.id, subject: "Campaign Discussion" });
  assertNest(again, 400, "Thread already exists for this campaign and users");
  // A promoter may name nobody but themselves.
  assertNest(await createThread(users.dave, { campaignId, promoterId: users.bob.id }), 403, "You are not a promoter for this campaign");
  // Both sides can use it.
  await post(users.bob, opened.body.id, "hello");
  assert.equal((await rest(users.alice, "GET", `/messaging/campaigns/${campaignId}/thread`)).body.id, opened.body.id);
});

step("opening what one is no party of", async () => {
  const named = { campaignId: campaign(), promoterId: users.bob.id, advertiserId: users.alice.id };
  const open = (user, body) => rest(user, "POST", "/messaging/threads", body);
  assertNest(await open(users.carol, named), 403, "You are not the advertiser for this campaign");
  assertNest(await open(users.dave, named), 403, "You are not a promoter for this campaign");
  assertNest(await open(users.admin, named), 403, "Invalid user role. Only advertisers and promoters can create threads");
  // Nobody takes the other role by naming themselves in it.
  const swapped = { campaignId: campaign(), promoterId: users.alice.id, advertiserId: users.bob.id };
  assertNest(await open(users.alice, swapped), 403);
  // Nobody talks to themselves.
  const alone = { campaignId: campaign(), promoterId: users.alice.id, advertiserId: users.alice.id };
  assertNest(await open(users.alice, alone), [400, 403]);
  assertNest(await open(users.alice, { campaignId: campaign() }), 404, "Campaign not found");
});

step("one thread, seen by both sides", async () => {
  const opened = await thread(users.alice, users.bob, { subject: "Seen by both" });
  for (const [user, prefix] of [[users.alice, "/messaging"], [users.bob, "/api/messaging"]]) {
    const answer = await rest(user, "GET", `${prefix}/threads/${opened.id}`);
    assert.equal(answer.status, 200, answer.text);
    assertFullThread(answer.body, { campaignId: opened.campaignId, ...sides, subject: "Seen by both" });
    for (const field of ["unreadCount", "messages"]) assert.ok(!(field in answer.body), `${field} in a single thread`);
  }
  // Ids are found in either case.
  assert.equal((await rest(users.alice, "GET", `/messaging/threads/${opened.id.toUpperCase()}`)).status, 200);
});

step("the list: newest activity first, with unread count and newest message", async () => {
  const opened = [await thread(), await thread(), await thread()];
  await post(users.alice, opened[0].id, "older");
  await post(users.alice, opened[0].id, "newest");
  const list = await listed(users.bob);
  assert.equal(list[0].id, opened[0].id, "a message moves its thread to the top");
  assert.deepEqual(list.map(({ lastMessageAt }) => lastMessageAt), list.map(({ lastMessageAt }) => lastMessageAt).sort().reverse());
  assertFullThread(list[0], { campaignId: opened[0].campaignId, ...sides });
  assert.equal(list[0].unreadCount, 2);
  assert.equal(list[0].messages.length, 1);
  assertMessage(list[0].messages[0], { threadId: opened[0].id, user: users.alice, content: "newest", isRead: false });
  assert.equal(list[0].lastMessageAt, list[0].messages[0].createdAt);
  const empty = list.find(({ id }) => id === opened[1].id);
  assert.equal(empty.unreadCount, 0);
  assert.deepEqual(empty.messages, []);
  // The other side's count is its own.
  assert.equal((await listed(users.alice)).find(({ id }) => id === opened[0].id).unreadCount, 0);
  assert.ok(!(await listed(users.carol)).some(({ id }) => id === opened[0].id));
});

step("the list by campaign and by page", async () => {
  const opened = [];
  for (let at = 0; at < 5; at += 1) {
    opened.push(await thread(users.carol, users.dave));
    await post(users.carol, opened.at(-1).id, `activity ${at}`);
  }
  const order = opened.map(({ id }) => id).reverse();
  const ids = async (query) => (await listed(users.dave, query)).map(({ id }) => id);
  assert.deepEqual(await ids(""), order);
  assert.deepEqual(await ids(`?campaignId=${opened[2].campaignId}`), [opened[2].id]);
  assert.deepEqual(await ids(`?campaignId=${campaign()}`), []);
  assert.deepEqual(await ids("?limit=2"), order.slice(0, 2));
  assert.deepEqual(await ids("?page=2&limit=2"), order.slice(2, 4));
  assert.deepEqual(await ids("?page=3&limit=2"), order.slice(4));
  assert.deepEqual(await ids("?page=4&limit=2"), []);
  assert.deepEqual(await ids("?page=2"), order, "page means nothing without limit");
  for (const query of ["?limit=0", "?limit=abc", "?page=0&limit=", "?limit=1000000000", "?limit=99999999999999999999"]) {
    assert.deepEqual(await ids(query), order, query);
  }
  for (const query of ["?limit=-1", "?page=-1&limit=2", "?limit=-99999999"]) {
    assertNest(await rest(users.dave, "GET", `/messaging/threads${query}`), 400);
  }
  for (const id of ["two%20words", "x".repeat(200), "%00"]) {
    const answer = await rest(users.dave, "GET", `/messaging/threads?campaignId=${id}`);
    assertNest(answer, 400, /^Invalid campaign ID format\. Expected UUID format, received: /);
  }
});

step("messages: newest first, by page and before a date", async () => {
  const opened = await thread();
  for (let at = 1; at <= 7; at += 1) await post([users.alice, users.bob][at % 2], opened.id, `message ${at}`);
  const base = `/messaging/threads/${opened.id}/messages`;
  const get = async (query = "") => {
    const answer = await rest(users.alice, "GET", base + query);
    assert.equal(answer.status, 200, answer.text);
    return answer.body;
  };
  const numbers = async (query) => (await get(query)).map(({ content }) => Number(content.split(" ")[1]));
  const all = await get();
  all.forEach((message, at) =>
    assertMessage(message, { threadId: opened.id, user: [users.alice, users.bob][(7 - at) % 2], content: `message ${7 - at}` }),
  );
  assert.deepEqual(await numbers("?limit=3"), [7, 6, 5]);
  assert.deepEqual(await numbers("?page=2&limit=3"), [4, 3, 2]);
  assert.deepEqual(await numbers("?page=3&limit=3"), [1]);
  assert.deepEqual(await numbers("?page=4&limit=3"), []);
  assert.deepEqual(await numbers("?page=1000000000&limit=500"), []);
  for (const query of ["?page=3", "?limit=0", "?limit=abc", "?limit=1000000000"]) {
    assert.deepEqual(await numbers(query), [7, 6, 5, 4, 3, 2, 1], query);
  }
  // `before` leaves out the moment itself; several messages may share it.
  for (const message of all) {
    const older = all.filter(({ createdAt }) => createdAt < message.createdAt);
    const before = encodeURIComponent(message.createdAt);
    assert.deepEqual(await numbers(`?before=${before}`), older.map(({ content }) => Number(content.split(" ")[1])));
    assert.deepEqual((await numbers(`?before=${before}&limit=2`)).length, Math.min(2, older.length));
  }
  assert.deepEqual(await numbers("?before=1999-01-01T00:00:00.000Z"), []);
  assert.deepEqual(await numbers("?before=2999-01-01T00:00:00.000Z&page=2&limit=5"), [2, 1]);
  for (const query of ["?limit=-1", "?page=-2&limit=2", "?before=yesterday", "?before=2025-13-45", "?before=%00"]) {
    assertNest(await rest(users.alice, "GET", base + query), 400);
  }
});

step("more messages than a page holds: 500 at most, and the rest on the next pages", async () => {
  const opened = await thread();
  // Over many sockets, because a socket's sends are stored one after another.
  const sockets = await Promise.all(Array.from({ length: 15 }, () => Client.of(users.alice)));
  const send = (at) => sockets[at % 15].ask("sendMessage", { threadId: opened.id, content: `many ${at}` });
  const sent = (await Promise.all(Array.from({ length: 510 }, (_, at) => send(at)))).map(({ message }) => message.id);
  const get = async (query = "") => (await rest(users.bob, "GET", `/messaging/threads/${opened.id}/messages${query}`)).body;
  const ids = (page) => page.map(({ id }) => id);
  const newest = await get();
  const remaining = await get("?page=2&limit=500");
  assert.deepEqual([newest.length, remaining.length], [500, 10]);
  assert.deepEqual(ids([...newest, ...remaining]).sort(), sent.sort());
  const dates = [...newest, ...remaining].map(({ createdAt }) => createdAt);
  assert.deepEqual(dates, dates.toSorted().reverse());
  assert.deepEqual(ids(await get("?limit=10000")), ids(newest));
  assert.deepEqual(ids(await get("?page=51&limit=10")), ids(remaining));
  const [entry] = await listed(users.bob, `?campaignId=${opened.campaignId}`);
  assert.equal(entry.unreadCount, 510);
});

step("sending by REST", async () => {
  const opened = await thread();
  for (const prefix of ["/messaging", "/api/messaging"]) {
    // Who sends and as what is the token's to say.
    const body = { content: `by ${prefix}`, senderType: "ADMIN", senderId: users.bob.id, threadId: campaign() };
    const answer = await rest(users.alice, "POST", `${prefix}/threads/${opened.id}/messages`, body);
    assert.equal(answer.status, 201, answer.text);
    assertMessage(answer.body, { threadId: opened.id, user: users.alice, content: `by ${prefix}`, isRead: false });
  }
});

step("requests as other clients write them: a slash at the end, gzip, a form, dates as JavaScript writes them", async () => {
  const opened = await thread();
  const path = `/api/messaging/threads/${opened.id}/messages`;
  const gzip = { headers: { "Content-Encoding": "gzip" } };
  const zipped = await rest(users.alice, "POST", `${path}/`, gzipSync(JSON.stringify({ content: "zipped" })), gzip);
  assert.equal(zipped.status, 201, zipped.text);
  const form = { headers: { "Content-Type": "application/x-www-form-urlencoded" } };
  const formed = await rest(users.alice, "POST", path, new URLSearchParams({ content: "a form & more" }).toString(), form);
  assert.equal(formed.body.content, "a form & more", formed.text);
  const later = new Date(Date.now() + 3_600_000);
  for (const date of [later.toString(), later.toUTCString(), later.toISOString(), later.toJSON()]) {
    const found = await rest(users.bob, "GET", `${path}/?before=${encodeURIComponent(date)}`);
    assert.deepEqual(found.body.map(({ content }) => content), ["a form & more", "zipped"], `${date}: ${found.text}`);
    const none = new Date(new Date(date).getTime() - 7_200_000);
    assert.deepEqual((await rest(users.bob, "GET", `${path}?before=${encodeURIComponent(none.toString())}`)).body, []);
  }
});

step("malformed and unknown ids, and paths that are not there", async () => {
  const bad = ["not-a-uuid", "123", "0197f000-0000-7000-8000-00000000000g", "0197f000000070008000000000000000", "%00", "%7B%7D"];
  for (const raw of bad) {
    const shown = decodeURIComponent(raw);
    const said = (thing) => `Invalid ${thing} ID format. Expected UUID format, received: ${shown}`;
    assertNest(await rest(users.alice, "GET", `/messaging/threads/${raw}`), 400, said("thread"));
    assertNest(await rest(users.alice, "GET", `/messaging/threads/${raw}/messages`), 400, said("thread"));
    assertNest(await rest(users.alice, "POST", `/messaging/threads/${raw}/messages`, { content: "x" }), 400, said("thread"));
    assertNest(await rest(users.alice, "PATCH", `/messaging/threads/${raw}/read`), 400, said("thread"));
    assertNest(await rest(users.alice, "PATCH", `/messaging/messages/${raw}/read`), 400, said("message"));
  }
  assertNest(await rest(users.alice, "GET", "/messaging/threads/%ff%fe"), 400);
  const unknown = "0197f000-0000-7000-8000-000000000000";
  assertNest(await rest(users.alice, "GET", `/messaging/threads/${unknown}`), 404, "Thread not found");
  assertNest(await rest(users.alice, "GET", `/messaging/threads/${unknown}/messages`), 404, "Thread not found");
  assertNest(await rest(users.alice, "POST", `/messaging/threads/${unknown}/messages`, { content: "x" }), 404, "Thread not found");
  assertNest(await rest(users.alice, "PATCH", `/messaging/threads/${unknown}/read`), 404, "Thread not found");
  assertNest(await rest(users.alice, "PATCH", `/messaging/messages/${unknown}/read`), 404, "Message not found");
  // A version of UUID other than ours is a form that could be ours.
  assertNest(await rest(users.alice, "GET", "/messaging/threads/f47ac10b-58cc-4372-a567-0e02b2c3d479"), 404, "Thread not found");
  for (const [method, path] of [["GET", "/messaging/nothing"], ["GET", "/messaging"], ["DELETE", "/messaging/threads"], ["PUT", `/messaging/threads/${unknown}`]]) {
    const answer = await rest(users.alice, method, path);
    assert.ok([404, 405].includes(answer.status), `${method} ${path}: ${answer.status}`);
    assertNest(answer, [404, 405]);
  }
});

await run();
