// The page of the guide's reader, opened by an advertiser and a promoter on another origin than Tidings.

import { Served } from "../node/served.mjs";
import { assert, forge, post, rest, run, step, talkTo, url } from "../node/lib.mjs";
import { DEADLINE, Tab, browser, bundle, environment, serve } from "./stage.mjs";
import { people } from "./people.mjs";

const origin = await serve(await bundle("guide"), environment);
const { secret } = JSON.parse(process.env.TIDINGS_WORLD);
const server = await Served.start({ config: `[origins]\nallow = ["${origin}"]\n`, env: { JWT_SECRET: secret } });
talkTo(server);
const { alice, bob } = people();
const launched = await browser();
const campaignId = "c0ffee00-0000-4000-8000-000000000001";
const parties = { promoterId: bob.id, advertiserId: alice.id };
let a;
let b;
let threadId;
let heardFrom;

step("an advertiser opens the page, and a thread from it", async () => {
  a = await Tab.open(launched, origin, { token: alice.token, campaignId, ...parties, subject: "Summer Fashion" });
  await (await a.shows(".create")).click();
  const entry = await a.shows(".thread-entry.open", "Summer Fashion");
  threadId = await entry.getAttribute("data-thread");
  await a.shows(".connection-status .on", "Connected");
  await a.shot("01-an-empty-thread");
});

step("she writes before he is there; her own message comes back once, as an echo", async () => {
  await a.say("Hi! Looking forward to working with you on this campaign.");
  await a.shows(".message.own", "Looking forward");
  await a.shows(".message.own .mark", "✓ sent");
});

step("he opens the thread: the history is there, and she sees that he has read it", async () => {
  b = await Tab.open(launched, origin, { token: bob.token, thread: threadId });
  await b.shows(".connection-status .on", "Connected");
  await b.shows(".message", "Looking forward");
  await a.shows(".message.own .mark", "✓✓ read");
  await b.shot("02-the-promoter-reads");
});

step("they chat both ways, each message once on each side and in one order", async () => {
  await b.say("Absolutely! I have some great ideas for this campaign.");
  await a.shows(".message:not(.own)", "great ideas");
  await b.shows(".message.own", "great ideas");
  await a.say("That sounds great! Let's discuss the timeline.");
  await b.shows(".message:not(.own)", "timeline");
  await a.shows(".message.own", "timeline");
  for (let at = 1; at <= 6; at += 1) {
    await [a, b][at % 2].say(`line ${at}`);
    for (const tab of [a, b]) await tab.shows(".message", `line ${at}`);
  }
  const shown = await a.messages();
  assert.equal(shown.length, 9);
  assert.deepEqual(await b.messages(), shown);
  heardFrom = await a.page.locator(".message:not(.own) .who").allInnerTexts();
  await a.shot("03-chatting-advertiser");
  await b.shot("04-chatting-promoter");
});

step("typing is shown to the other alone, and ends with an empty input, a message, or by itself", async () => {
  const input = a.page.locator(".message-input input");
  const endings = [() => input.fill(""), () => input.press("Enter"), () => {}];
  for (const end of endings) {
    await input.fill("I am thinking");
    await b.shows(".typing-indicator", "Someone is typing");
    assert.equal(await a.page.locator(".typing-indicator").count(), 0, "she is not told of herself");
    if (end === endings[0]) await b.shot("05-she-is-typing");
    await end();
    // Typing that nobody ends lasts 30 s.
    await b.hides(".typing-indicator", { timeout: 2 * DEADLINE });
  }
  await input.fill("");
});

step("a single message is marked as read by a click, without the thread's id", async () => {
  await a.say("Please confirm");
  await (await b.shows(".message:not(.own)", "Please confirm")).click();
  await a.shows('.message.own:has-text("Please confirm") .mark', "✓✓ read");
});

step("a message sent over REST reaches the other page, and the own one not twice", async () => {
  const { content } = await post(bob, threadId, "over REST");
  await a.shows(".message:not(.own)", content);
});

step("the list shows what is unread elsewhere, until it is opened", async () => {
  const body = { campaignId: "c0ffee00-0000-4000-8000-000000000002", ...parties, subject: "Winter Coats" };
  const other = await rest(alice, "POST", "/messaging/threads", body);
  assert.equal(other.status, 201, other.text);
  for (let at = 1; at <= 3; at += 1) await post(alice, other.body.id, `about coats ${at}`);
  await b.page.reload();
  const entry = await b.shows('.thread-entry:has-text("Winter Coats")');
  await b.shows('.thread-entry:has-text("Winter Coats") .badge', "3");
  await b.shot("06-unread-in-the-list");
  await entry.click();
  await b.shows(".message", "about coats 3");
  assert.deepEqual(await b.messages(), [1, 2, 3].map((at) => `about coats ${at}`));
  await b.page.reload();
  await b.shows('.thread-entry:has-text("Winter Coats")');
  await b.hides('.thread-entry:has-text("Winter Coats") .badge');
  await b.shows(".connection-status .on");
});

step("nothing was wrong in the consoles", async () => {
  a.assertQuiet();
  b.assertQuiet();
});

step("the server is restarted: both come back by themselves and chat on", async () => {
  const before = await a.messages();
  await server.down();
  for (const tab of [a, b]) await tab.shows(".connection-status .off", "Disconnected");
  await a.shot("07-the-server-is-away");
  await server.up();
  for (const tab of [a, b]) await tab.shows(".connection-status .on", "Connected");
  await a.say("back again");
  await a.shows(".message.own", "back again");
  await b.shows(".message:not(.own)", "back again");
  assert.deepEqual(await a.messages(), [...before, "back again"]);
  await b.say("so am I");
  await a.shows(".message:not(.own)", "so am I");
  await a.shot("08-back-again");
  for (const tab of [a, b]) tab.assertQuiet(/ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|WebSocket connection to|503 \(Service Unavailable\)/);
});

step("a page of an origin that is not allowed gets neither REST nor a socket", async () => {
  const elsewhere = await serve(await bundle("guide"), environment);
  const tab = await Tab.open(launched, elsewhere, { token: alice.token, thread: threadId });
  await tab.shows(".connection-status .off", "Disconnected");
  const refused = tab.page.evaluate(
    ([address, token]) =>
      fetch(`${address}/messaging/threads`, { headers: { Authorization: `Bearer ${token}` } }).then(
        (answer) => `let in: ${answer.status}`,
        () => "refused",
      ),
    [url, alice.token],
  );
  assert.equal(await refused, "refused");
  // Its socket has tried and been turned away.
  await tab.page.waitForFunction(() => performance.getEntriesByType("resource").some(({ name }) => name.includes("/socket.io/")));
  await tab.shows(".connection-status .off", "Disconnected");
  assert.ok(tab.errors.some((text) => /blocked by CORS|ERR_FAILED|403/.test(text)), tab.errors.join("\n"));
});

step("a page with an expired token is shown out and told 401", async () => {
  const now = Math.floor(Date.now() / 1000);
  const token = forge(alice, { claims: { iat: now - 7200, exp: now - 3600 } });
  const tab = await Tab.open(launched, origin, { token, thread: threadId });
  await tab.shows(".connection-status .off", "Disconnected");
  assert.equal(await tab.page.locator(".message").count(), 0);
  const answer = await rest(token, "GET", "/messaging/threads");
  assert.equal(answer.status, 401);
});

step("whoever wrote went by their name, also in what was heard live", async () => {
  assert.deepEqual(new Set(heardFrom), new Set([bob.name]));
});

step("the server was unshaken", async () => server.assertUnshaken());

await run();
