// The page of the newer frontends: it knows a campaign's id and nothing else, joins before it is welcomed, sends and
// marks over REST, has two sockets in each tab and counts every `newMessage` as unread.

import { Served } from "../node/served.mjs";
import { assert, rest, run, step, talkTo } from "../node/lib.mjs";
import { Tab, browser, bundle, environment, serve } from "./stage.mjs";
import { people, sign } from "./people.mjs";

const origin = await serve(await bundle("newer"), environment);
const { secret } = JSON.parse(process.env.TIDINGS_WORLD);
const server = await Served.start({ config: `[origins]\nallow = ["${origin}"]\n`, env: { JWT_SECRET: secret } });
talkTo(server);
const { alice, bob } = people();
const launched = await browser();
const campaign = "4c1d0000-0000-4000-8000-000000000001";
const POLL_MS = 500;
let a;
let b;

/** The tab's count of what came in unseen, over all threads. */
const total = async (tab) => Number(await tab.page.locator(".total").innerText());

step("the host tells about two users and their campaign", async () => {
  const host = sign({ sub: "host", scope: "service" });
  for (const { id, name, role } of [alice, bob]) {
    const told = await rest(host, "PUT", `/v1/users/${id}`, { name, role });
    assert.equal(told.status, 200, told.text);
  }
  const parties = [alice, bob].map(({ id: userId, role }) => ({ userId, role }));
  const told = await rest(host, "PUT", `/v1/contexts/campaign/${campaign}`, { title: "Summer Fashion", isPublic: false, parties });
  assert.equal(told.status, 204, told.text);
});

step("there is no thread yet; one opens it with the campaign's id alone", async () => {
  a = await Tab.open(launched, origin, { token: alice.token, user: alice.id, campaign, poll: POLL_MS });
  b = await Tab.open(launched, origin, { token: bob.token, user: bob.id, campaign, poll: POLL_MS });
  for (const tab of [a, b]) {
    await tab.shows(".start", "Start the conversation");
    await tab.shows(".status strong", "false / 0");
    await tab.page.locator('body[data-provider="connected"]').waitFor();
  }
  await a.shot("01-no-thread-yet");
  await (await a.shows(".start")).click();
  await a.shows(".connection-status .on", "Connected");
  await a.shows(".thread-entry.open", "Summer Fashion");
});

step("he hears of the message on a page that has no thread open, and the poll says so too", async () => {
  await a.say("Hello Bob");
  await a.shows(".message.own", "Hello Bob");
  await b.shows(".toast", "New message from Alice Advertiser");
  await b.shows(".total", "1");
  await b.shows(".status strong", "true / 1");
  await b.shot("02-a-notice");
});

step("her own message did not count as unread, on neither of her two sockets", async () => {
  // What he writes now reaches both of her sockets after whatever would have been on its way to them.
  await (await b.shows(".start")).click();
  await b.shows(".message:not(.own)", "Hello Bob");
  await a.shows(".message.own .mark", "✓✓ read");
  await b.say("Hello Alice");
  await a.shows(".message:not(.own)", "Hello Alice");
  await a.shows(".toast", "New message from Bob Promoter");
  assert.equal(await total(a), 1);
  // Her reading, which reaches him after whatever his own message would have sent him, takes his count to nought.
  await b.shows(".total", "0");
  assert.equal(await b.page.locator(".toast", { hasText: "Bob Promoter" }).count(), 0, "nor did his");
});

step("they chat over REST, each message once on each side and in one order", async () => {
  for (let at = 1; at <= 6; at += 1) {
    await [a, b][at % 2].say(`line ${at}`);
    for (const tab of [a, b]) await tab.shows(".message", `line ${at}`);
  }
  const shown = await a.messages();
  assert.deepEqual(shown, ["Hello Bob", "Hello Alice", ...[1, 2, 3, 4, 5, 6].map((at) => `line ${at}`)]);
  assert.deepEqual(await b.messages(), shown);
  // Nothing of the marks: this page may hear that a message was read before its own POST of it is answered.
  for (const tab of [a, b]) await tab.shows(".status strong", "false / 0");
  await a.shot("03-chatting");
  await b.shot("04-chatting");
});

step("typing is shown, and ends a second after the last key", async () => {
  await a.page.locator(".message-input input").pressSequentially("hm");
  await b.shows(".typing-indicator", "Someone is typing");
  await b.shot("05-typing");
  await b.hides(".typing-indicator");
  assert.equal(await a.page.locator(".typing-indicator").count(), 0);
  await a.page.locator(".message-input input").fill("");
});

step("a second tab of his: closing either leaves the other served (D1)", async () => {
  const second = await Tab.open(launched, origin, { token: bob.token, user: bob.id, campaign, poll: POLL_MS });
  await (await second.shows(".start", "Open the conversation")).click();
  await second.shows(".connection-status .on");
  await a.say("to both tabs");
  for (const tab of [b, second]) await tab.shows(".message", "to both tabs");
  second.assertQuiet();
  await second.context.close();
  await a.say("to the one that is left");
  await b.shows(".message", "to the one that is left");
});

step("both open it at once in a new campaign: one thread", async () => {
  const host = sign({ sub: "host", scope: "service" });
  const parties = [alice, bob].map(({ id: userId, role }) => ({ userId, role }));
  const next = campaign.replace(/1$/, "2");
  await rest(host, "PUT", `/v1/contexts/campaign/${next}`, { title: "Winter Coats", parties });
  const tabs = [
    await Tab.open(launched, origin, { token: alice.token, user: alice.id, campaign: next, poll: POLL_MS }),
    await Tab.open(launched, origin, { token: bob.token, user: bob.id, campaign: next, poll: POLL_MS }),
  ];
  const starts = await Promise.all(tabs.map((tab) => tab.shows(".start", "Start the conversation")));
  await Promise.all(starts.map((start) => start.click()));
  for (const tab of tabs) await tab.shows(".connection-status .on", "Connected");
  await tabs[0].say("in one thread");
  await tabs[1].shows(".message", "in one thread");
  // Whoever was second was told 400 by the browser's console, and nothing else was wrong.
  for (const tab of tabs) {
    tab.assertQuiet(/400 .*\/api\/messaging\/threads$/);
    await tab.context.close();
  }
});

step("nothing was wrong in the consoles", async () => {
  a.assertQuiet();
  // His page did not know of the thread yet when he clicked: he was told that it is there.
  b.assertQuiet(/400 .*\/api\/messaging\/threads$/);
  b.errors.length = 0;
});

step("the server is restarted: both come back by themselves and chat on", async () => {
  await server.down();
  for (const tab of [a, b]) await tab.shows(".connection-status .off", "Disconnected");
  await server.up();
  for (const tab of [a, b]) {
    await tab.shows(".connection-status .on", "Connected");
    await tab.page.locator('body[data-provider="connected"]').waitFor();
  }
  await a.say("back again");
  await b.shows(".message:not(.own)", "back again");
  await b.say("so am I");
  await a.shows(".message:not(.own)", "so am I");
  await a.shot("06-back-again");
  for (const tab of [a, b]) tab.assertQuiet(/ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|WebSocket connection to|Failed to fetch|503 \(Service Unavailable\)/);
});

step("the server was unshaken", async () => server.assertUnshaken());

await run();
