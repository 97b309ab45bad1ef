// `auth.leeway` counts for sockets as for REST: a token that REST still takes does not end its socket.

import { Client, assert, campaign, rest, run, step, talkTo, world } from "./lib.mjs";
import { Served, tidings } from "./served.mjs";

const env = { JWT_SECRET: world.secret };
const server = await Served.start({ config: '[auth]\nleeway = "5m"\n', env });
talkTo(server);

async function person(id, role, ttl) {
  const token = await tidings(server.cwd, env, "token", "mint", "--user", id, "--role", role, "--name", id, "--ttl", ttl);
  return { id, role, name: id, token };
}

step("a socket lives as long as its token is believed", async () => {
  const alice = await person("alice", "ADVERTISER", "1s");
  const bob = await person("bob", "PROMOTER", "1h");
  const body = { campaignId: campaign(), promoterId: bob.id, advertiserId: alice.id };
  const { id: threadId } = (await rest(alice, "POST", "/messaging/threads", body)).body;
  const client = await Client.of(alice);
  const typist = await Client.of(bob);
  // Typing ends by itself after 6 s: by then the token has been over for as long as the default leeway.
  typist.emit("typing", { threadId, isTyping: true });
  await client.next("userTyping", ({ isTyping }) => isTyping);
  await client.next("userTyping", ({ isTyping }) => !isTyping);
  typist.emit("typing", { threadId, isTyping: true });
  await client.next("userTyping", ({ isTyping }) => isTyping);
  await client.settled();
  assert.deepEqual(client.all("(disconnect)"), []);
  assert.equal((await rest(alice, "GET", "/messaging/threads")).status, 200, "REST takes it");
});

await run();
