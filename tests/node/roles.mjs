// Members whose token has a role that may not write, and one nobody has heard of.

import { Client, assert, assertNest, fence, forge, post, rest, run, step, thread, users } from "./lib.mjs";

const { id: threadId } = await thread();
const message = await post(users.alice, threadId, "hello");

for (const role of ["ADMIN", "SYSTEM", "MODERATOR", "promoter", "PROMOTER ", "Ω"]) {
  step(`a member as ${JSON.stringify(role)} reads, but does not write`, async () => {
    const member = { ...users.bob, role, token: forge(users.bob, { claims: { role } }) };
    const alice = await Client.of(users.alice);
    const answer = await rest(member, "GET", "/messaging/threads");
    // A role that is no word is no role at all: then the token is refused as a whole, or the membership decides.
    if (role !== role.trim()) {
      assert.ok([200, 401].includes(answer.status), answer.text);
      return;
    }
    assert.equal(answer.status, 200, answer.text);
    const mark = alice.mark();
    const text = `Invalid user role: ${role}. Only PROMOTER and ADVERTISER can send messages.`;
    assertNest(await rest(member, "POST", `/messaging/threads/${threadId}/messages`, { content: "x" }), 403, text);
    const socket = await Client.of(member);
    const ack = await socket.ask("sendMessage", { threadId, content: "x" });
    assert.equal(ack.success, false);
    assert.equal((await socket.next("error"))[0].message, text);
    assert.equal((await rest(member, "GET", `/messaging/threads/${threadId}/messages`)).status, 200);
    await fence(threadId, users.bob, alice);
    alice.hushed(mark);
    const { body } = await rest(users.alice, "GET", `/messaging/threads/${threadId}/messages`);
    assert.deepEqual(body.filter(({ content }) => !content.startsWith("fence")).map(({ id }) => id), [message.id]);
  });

  step(`${JSON.stringify(role)} opens no thread`, async () => {
    const member = { ...users.bob, role, token: forge(users.bob, { claims: { role } }) };
    const body = { campaignId: `by-${encodeURIComponent(role)}`, promoterId: users.bob.id, advertiserId: users.alice.id };
    const answer = await rest(member, "POST", "/messaging/threads", body);
    if (role !== role.trim()) assert.ok([201, 401, 403].includes(answer.status), answer.text);
    else assertNest(answer, 403, "Invalid user role. Only advertisers and promoters can create threads");
  });
}

step("who a payload says one is does not count", async () => {
  const sent = await post(users.alice, threadId, "as myself", { senderType: "ADMIN", role: "ADMIN", senderId: users.bob.id });
  assert.deepEqual([sent.senderType, sent.senderId], ["ADVERTISER", users.alice.id]);
});

await run();
