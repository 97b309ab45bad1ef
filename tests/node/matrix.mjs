// Who may do what: everybody x every route and event of the dialect's table and of the host API. What is expected is
// computed from what an operation is about (a thread, a message, a campaign, nothing) and from who asks, so a new route
// or event is tried without a word here; one that needs words (a body, a parameter nobody knows) fails until it has them.
//
// In every cell: the status and the text of the contract, nothing of the thread in what a non-member reads or hears,
// no trace of a non-member in what the members read and hear (D2, D3, D4, D6, P9).

import { Client, assert, assertNest, campaign, fence, forge, post, rest, run, step, users, world } from "./lib.mjs";

const { table } = world;
const NO_THREAD_ACCESS = "You do not have access to this thread";
const NO_MESSAGE_ACCESS = "You do not have access to this message";
const now = Math.floor(Date.now() / 1000);
const expired = (user) => ({ ...user, token: forge(user, { claims: { iat: now - 7200, exp: now - 3600 } }) });
let count = 0;
const fresh = () => `fresh ${++count}`;

/** What only members may ever see of a thread. */
const SECRETS = { subject: "secret-subject", title: "secret-title", content: "secret-content", summary: "secret-summary" };

/** Who asks. `is` is what the rules look at. */
const CAST = [
  { name: "the author", who: users.alice, is: "member", author: true },
  { name: "the other member", who: users.bob, is: "member" },
  { name: "a former member", who: users.eve, is: "former" },
  { name: "a stranger", who: users.dave, is: "stranger" },
  { name: "a stranger of the other role", who: users.carol, is: "stranger" },
  { name: "an administrator", who: users.admin, is: "stranger" },
  { name: "nobody", who: undefined, is: "unknown", says: "Authentication failed: No valid authorization header found" },
  { name: "an expired member", who: expired(users.alice), is: "unknown" },
  { name: "the host", who: users.host, is: "unknown", service: true },
  { name: "the expired host", who: expired(users.host), is: "unknown" },
];

/** A thread of Alice and somebody, with all that it can have. */
async function furnished(other, opened) {
  const campaignId = campaign();
  const parties = [{ userId: users.alice.id, role: "ADVERTISER" }, { userId: other.id, role: "PROMOTER" }];
  await host("PUT", `/v1/contexts/campaign/${campaignId}`, { title: SECRETS.title, parties });
  const body = { campaignId, promoterId: other.id, advertiserId: users.alice.id, subject: SECRETS.subject };
  const thread = await rest(users.alice, "POST", "/messaging/threads", body);
  assert.equal(thread.status, 201, thread.text);
  const threadId = thread.body.id;
  const message = await post(users.alice, threadId, SECRETS.content);
  const summary = await rest(users.alice, "POST", `/messaging/threads/${threadId}/summaries`, { summary: SECRETS.summary });
  assert.equal(summary.status, 201, summary.text);
  const scene = { threadId, campaignId, messageId: message.id, other, parties };
  // A commit may wait in the server for the thread's roster, and whoever connects meanwhile hears it. Once somebody has
  // heard what came after the message, whoever connects hears none of that.
  const witness = await Client.of(users.alice);
  await fence(threadId, other, witness);
  witness.close();
  await opened?.(scene);
  scene.inside = [await Client.of(users.alice)];
  if (!opened) scene.inside.push(await Client.of(other));
  for (const client of scene.inside) await client.join(threadId);
  return scene;
}

async function host(method, path, body) {
  const answer = await rest(users.host, method, path, body);
  assert.ok([200, 201, 204].includes(answer.status), `${method} ${path}: ${answer.status} ${answer.text}`);
  return answer.body;
}

/** The thread of Alice and Bob, and the one of Alice and Eve, from which Eve was taken out while she was listening. */
const kept = await furnished(users.bob);
const left = await furnished(users.eve, async (scene) => {
  scene.gone = await Client.of(users.eve);
  await scene.gone.join(scene.threadId);
  await host("DELETE", `/v1/threads/${scene.threadId}/members/${users.eve.id}`);
});
const scene = ({ is }) => (is === "former" ? left : kept);

/** What a thread looks like to its member Alice, but for the fences. */
async function state({ threadId, campaignId }) {
  const get = async (path) => (await rest(users.alice, "GET", `/messaging${path}`)).body;
  const thread = await get(`/threads/${threadId}`);
  const messages = (await get(`/threads/${threadId}/messages`)).filter(({ content }) => !content.startsWith("fence"));
  return {
    thread: { ...thread, lastMessageAt: null, updatedAt: null },
    found: (await get(`/campaigns/${campaignId}/thread`)).id,
    messages: messages.map(({ id, content, isRead }) => [id, content, isRead]),
    summaries: await get(`/threads/${threadId}/summaries`),
  };
}

/** Runs what somebody outside does and shows that the members notice nothing. */
async function unnoticed(scene, work) {
  const before = await state(scene);
  const marks = scene.inside.map((client) => client.mark());
  await work();
  // Whatever it set off would reach them before this does: each hears the other's message, one alone their own.
  const [alice, ...others] = scene.inside;
  if (others.length > 0) {
    await fence(scene.threadId, users.alice, ...others);
    await fence(scene.threadId, scene.other, alice);
    const told = await rest(users.bob, "PATCH", `/messaging/threads/${scene.threadId}/read`);
    assert.equal(told.status, 200);
    await alice.next("threadRead");
    alice.heard.pop();
    for (const client of others) {
      await client.next("threadUpdated");
      client.heard.pop();
    }
  }
  if (others.length === 0) await post(users.alice, scene.threadId, "fence alone");
  for (const client of scene.inside) await client.settled();
  scene.inside.forEach((client, at) => client.hushed(marks[at]));
  const after = await state(scene);
  // The fences move the members' own marks, which shows on the messages that were there.
  if (others.length > 0) for (const side of [before, after]) for (const message of side.messages) message.pop();
  assert.deepEqual(after, before, "the thread is as it was");
}

/** Nothing of a thread in a text, beyond what its reader put into the request. */
function assertTellsNothing(text, scene, named, what) {
  const hidden = [...Object.values(SECRETS), scene.threadId, scene.messageId, users.alice.id, scene.other.id, users.alice.name];
  for (const secret of hidden) {
    if (named.includes(secret)) continue;
    assert.ok(!text.includes(secret), `${what} tells ${secret}: ${text}`);
  }
}

/** A route's path with its parameters filled in. A parameter that is not known here needs a rule first. */
function filled(route, values) {
  return route.path.replace(/\{(\w+)\}/g, (_, name) => {
    assert.ok(name in values, `${route.method} ${route.path}: what is {${name}}, and who may? Say it in matrix.mjs`);
    return values[name];
  });
}

function body(route, bodies, values) {
  if (["GET", "DELETE", "PATCH"].includes(route.method)) return undefined;
  const make = bodies[`${route.method} ${route.path}`];
  assert.ok(make, `${route.method} ${route.path}: what is a good body? Say it in matrix.mjs`);
  return make(values);
}

// ---------------------------------------------------------------------------------------------- the dialect's routes

const BODIES = {
  "POST /threads": ({ campaignId, other }) => ({ campaignId, promoterId: other.id, advertiserId: users.alice.id }),
  "POST /threads/{threadId}/messages": () => ({ content: fresh() }),
  "POST /threads/{threadId}/summaries": () => ({ summary: fresh() }),
};

/** Whoever opens a thread without being a party of it is told so by their role. */
const OPENING = {
  ADVERTISER: "You are not the advertiser for this campaign",
  PROMOTER: "You are not a promoter for this campaign",
  ADMIN: "Invalid user role. Only advertisers and promoters can create threads",
};

/** The one route that asks for a role before it asks for a membership, in the same words as the event. */
const SENDING = "POST /threads/{threadId}/messages";
const MAY_NOT_SEND = { ADMIN: "Invalid user role: ADMIN. Only PROMOTER and ADVERTISER can send messages." };

/** What a route answers somebody, by what it is about. */
function expected(route, { is, who, author, says }) {
  if (is === "unknown") return { status: 401, text: says ?? /^Authentication failed: Token verification failed: ./ };
  const about = /\{(\w+)\}/.exec(route.path)?.[1];
  const success = { GET: 200, PATCH: 200, POST: 201 }[route.method];
  assert.ok(success, `${route.method} ${route.path}: what is its success? Say it in matrix.mjs`);
  if (about === "messageId") {
    if (is !== "member") return { status: 403, text: NO_MESSAGE_ACCESS };
    if (author) return { status: 400, text: "You cannot mark your own messages as read" };
    return { status: success };
  }
  const roleText = `${route.method} ${route.path}` === SENDING && MAY_NOT_SEND[who.role];
  if (roleText) return { status: 403, text: roleText };
  if (about === "threadId") return is === "member" ? { status: success } : { status: 403, text: NO_THREAD_ACCESS };
  // Of a campaign one sees one's own thread, if any.
  if (about === "campaignId") return { status: success, own: true };
  assert.equal(about, undefined, `${route.path}: what is {${about}}, and who may? Say it in matrix.mjs`);
  if (route.method === "GET") return { status: success, own: true };
  // Opening: for the members it is there already.
  if (is === "member") return { status: 400, text: "Thread already exists for this campaign and users" };
  if (is === "former") return { status: 403, text: NO_THREAD_ACCESS };
  return { status: 403, text: OPENING[who.role] };
}

for (const prefix of table.campaign.prefixes) {
  for (const route of table.campaign.routes) {
    step(`${route.method} ${prefix}${route.path}`, async () => {
      for (const person of CAST) {
        const of = scene(person);
        const path = prefix + filled(route, of);
        const what = `${route.method} ${path} by ${person.name}`;
        const sent = body(route, BODIES, of);
        const { status, text, own } = expected(route, person);
        const outside = ["stranger", "former"].includes(person.is) ? await Client.of(person.who) : undefined;
        const mark = outside?.mark();
        const cell = async () => {
          const answer = await rest(person.who, route.method, path, sent);
          assert.equal(answer.status, status, `${what}: ${answer.text}`);
          if (text) assertNest(answer, status, text);
          if (person.is === "member") {
            if (own) assert.ok(answer.text.includes(of.threadId) || "hasNewMessages" in answer.body, `${what}: ${answer.text}`);
          } else {
            const named = [path, JSON.stringify(sent ?? "")].join(" ");
            assertTellsNothing(answer.text, of, [...hiddenIn(named, of)], what);
            // Nothing of one's own is an empty list, null or nought.
            if (own) assert.ok([[], null, { hasNewMessages: false, unreadCount: 0 }].some((none) => same(none, answer.body)), `${what}: ${answer.text}`);
          }
        };
        if (person.is === "member") await cell();
        else await unnoticed(of, cell);
        if (outside) {
          await outside.settled();
          outside.hushed(mark);
          outside.close();
        }
      }
      await left.gone.settled();
      assert.deepEqual(left.gone.heard.filter(({ event }) => !["(connect)", "connected", "threadJoined"].includes(event)), []);
    });
  }
}

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const hiddenIn = (named, of) => [of.threadId, of.messageId, users.alice.id, of.other.id].filter((id) => named.includes(id));

// ---------------------------------------------------------------------------------------------- the dialect's events

/** Good payloads of each event, and what it tells who may not. `null`: nothing happens, as before a door that is open. */
const EVENTS = {
  joinThread: { payloads: ({ threadId }) => [{ threadId }], refusal: "Access denied to this thread" },
  leaveThread: { payloads: ({ threadId }) => [{ threadId }], refusal: null },
  sendMessage: {
    payloads: ({ threadId }) => [{ threadId, content: fresh() }],
    refusal: "Failed to send message",
    byRole: MAY_NOT_SEND,
  },
  markAsRead: {
    payloads: ({ threadId, messageId }) => [{ threadId }, { messageId }, { threadId, messageId }],
    refusal: "Failed to mark as read",
  },
  typing: {
    payloads: ({ threadId }) => [{ threadId, isTyping: true }, { threadId, isTyping: false }],
    refusal: "Access denied to this thread",
  },
};

function event(name) {
  const known = EVENTS[name];
  assert.ok(known, `${name}: what is a good payload, and what is told to who may not? Say it in matrix.mjs`);
  return known;
}

for (const { name } of table.campaign.events) {
  step(`event ${name}`, async () => {
    const { payloads, refusal, byRole } = event(name);
    for (const person of CAST) {
      const of = scene(person);
      if (person.is === "member") {
        const client = await Client.of(person.who);
        for (const payload of payloads(of)) {
          // The author's own message is the one thing that a member cannot mark.
          const allowed = !(person.author && payload.messageId);
          const ack = await client.ask(name, payload);
          assert.equal(ack.success, allowed, `${name} by ${person.name}: ${JSON.stringify(ack)}`);
          if (!allowed) assert.equal((await client.next("error"))[0].message, refusal);
        }
        client.close();
        continue;
      }
      if (person.is === "unknown") {
        await unnoticed(of, async () => {
          const client = new Client(person.who?.token, person.who ? {} : { auth: {} });
          // Sent with the CONNECT, before anybody could know.
          client.socket.on("connect", () => payloads(of).forEach((payload) => client.emit(name, payload)));
          await client.next("(disconnect)");
          assert.deepEqual(client.heard.map(({ event }) => event), ["(connect)", "(disconnect)"], `${name} by ${person.name}`);
          client.close();
        });
        continue;
      }
      const outside = person.is === "former" ? left.gone : await Client.of(person.who);
      const mark = outside.mark();
      await unnoticed(of, async () => {
        for (const payload of payloads(of)) {
          const ack = await outside.ask(name, payload);
          const what = `${name} by ${person.name}: ${JSON.stringify(ack)}`;
          assert.equal(ack.success, refusal === null, what);
          if (refusal !== null) {
            const [error] = await outside.next("error");
            assert.equal(error.message, byRole?.[person.who.role] ?? refusal, what);
            assert.equal(ack.error, error.message, what);
            assertTellsNothing(JSON.stringify([ack, error]), of, hiddenIn(JSON.stringify(payload), of), what);
          }
        }
      });
      await outside.settled();
      outside.hushed(mark, "error", "threadLeft");
      outside.heard.splice(mark);
      if (person.is !== "former") outside.close();
    }
  });
}

// --------------------------------------------------------------------------------------------------- the host's routes

/** Everything that the host API takes, about things of their own: the host is let in last. */
const HOST_VALUES = () => {
  const { threadId } = kept;
  return { id: "someone-new", kind: "campaign", threadId, userId: users.bob.id };
};

const HOST_BODIES = {
  "PUT /users/{id}": () => ({ name: "Someone New" }),
  "PUT /contexts/{kind}/{id}": () => ({ title: "taken over", parties: [] }),
  // Bob is a member already; a stranger who says so changes nothing about him.
  "PUT /threads/{threadId}/members/{userId}": () => ({ role: "PROMOTER", visibleFrom: "now" }),
  "POST /threads": ({ threadId }) => ({
    context: { kind: "campaign", id: `of ${threadId}`.replaceAll(" ", "-") },
    parties: [{ userId: users.alice.id, role: "ADVERTISER" }, { userId: users.bob.id, role: "PROMOTER" }],
  }),
  "POST /import/threads": () => ({
    threads: [
      {
        id: "0d3c0000-0000-4000-8000-000000000001",
        context: { kind: "campaign", id: "imported" },
        createdAt: "2025-08-08T09:00:00.000Z",
        members: [{ userId: users.alice.id, role: "ADVERTISER" }, { userId: users.bob.id, role: "PROMOTER" }],
        messages: [],
      },
    ],
  }),
};

/** What the host does in the end, since some of it is for good. */
const admissions = [];

for (const route of table.host.routes) {
  step(`${route.method} ${table.host.prefix}${route.path}`, async () => {
    const values = HOST_VALUES();
    const path = table.host.prefix + filled(route, values);
    const sent = body(route, HOST_BODIES, values);
    for (const person of CAST.filter(({ service }) => !service)) {
      await unnoticed(kept, async () => {
        const answer = await rest(person.who, route.method, path, sent);
        const what = `${route.method} ${path} by ${person.name}: ${answer.text}`;
        assert.equal(answer.status, 401, what);
        assert.match(answer.headers.get("content-type") ?? "", /^application\/problem\+json/, what);
        const problem = JSON.parse(answer.text);
        assert.deepEqual([problem.status, problem.code, problem.type], [401, "unauthenticated", "/problems/unauthenticated"], what);
        assertTellsNothing(answer.text, kept, hiddenIn(path, kept), what);
      });
    }
    admissions.push(() => host(route.method, path, sent));
  });
}

step("the thread goes on without the former member, who hears none of it", async () => {
  const { threadId, gone, inside } = left;
  const [alice] = inside;
  const mark = gone.mark();
  const strangers = await Promise.all([users.carol, users.dave, users.admin, users.eve].map((user) => Client.of(user)));
  const marks = strangers.map((client) => client.mark());
  alice.emit("typing", { threadId, isTyping: true });
  assert.equal((await alice.ask("sendMessage", { threadId, content: "among ourselves" })).success, true);
  await post(users.alice, threadId, "over REST");
  assert.equal((await alice.ask("markAsRead", { threadId })).success, true);
  assert.equal((await rest(users.alice, "PATCH", `/messaging/threads/${threadId}/read`)).status, 200);
  assert.equal((await rest(users.alice, "POST", `/messaging/threads/${threadId}/summaries`, { summary: "more" })).status, 201);
  await alice.settled();
  // A message of another thread of hers comes after all that.
  const next = await furnished(users.eve);
  await gone.next("newMessage", (message) => message.threadId === next.threadId);
  await gone.settled();
  const heard = gone.heard.slice(mark).filter(({ args }) => args[0]?.threadId !== next.threadId);
  assert.deepEqual(heard, []);
  for (const [at, client] of strangers.entries()) {
    await client.settled();
    if (client.user !== users.eve) client.hushed(marks[at]);
  }
});

step("the host is let in everywhere", async () => {
  for (const admitted of admissions) await admitted();
});

step("every route and event was tried by everybody", async () => {
  assert.ok(table.campaign.routes.length >= 10 && table.campaign.events.length >= 5 && table.host.routes.length >= 5);
  console.log(`${CAST.length} x ${2 * table.campaign.routes.length + table.campaign.events.length + table.host.routes.length} cells`);
});

await run();
