// `auth.leeway` counts for sockets as for REST: a token that REST still takes does not end its socket.

import { Client, assert, campaign, rest, run, step, talkTo, world } from "./lib.mjs";
import { Served, tidings } from "./served.mjs";

const env = { JWT_SECRET: world.secret };
const lenient = await Served.start({ config: '[auth]\nleeway = "5m"\nsockets_outlive_tokens = "off"\n', env });
const usual = await Served.start({ config: '[auth]\nsockets_outlive_tokens = "off"\n', env });

async function person(id, role, ttl) {
  const token = await tidings(lenient.cwd, env, "token", "mint", "--user", id, "--role", role, "--name", id, "--ttl", ttl);
  return { id, role, name: id, token };
}

step("a socket lives as long as its token is believed", async () => {
  const alice = await person("alice", "ADVERTISER", "1s");
  talkTo(lenient);
  const believed = await Client.of(alice);
  talkTo(usual);
  const ended = await Client.of(alice);
  // By then the token has been over for the default leeway.
  await ended.next("(disconnect)");
  assert.equal((await rest(alice, "GET", "/messaging/threads")).status, 401, "REST takes it no more here");
  talkTo(lenient);
  assert.equal((await rest(alice, "GET", "/messaging/threads")).status, 200, "REST takes it there");
  const bob = await person("bob", "PROMOTER", "1h");
  const body = { campaignId: campaign(), promoterId: bob.id, advertiserId: alice.id };
  const { id: threadId } = (await rest(bob, "POST", "/messaging/threads", body)).body;
  const sent = await believed.ask("sendMessage", { threadId, content: "still here" });
  assert.equal(sent.success, true, JSON.stringify(sent));
  assert.deepEqual(believed.all("(disconnect)"), []);
});

await run();
