// The contract's shapes, asserted field by field. Additions of ours are allowed, as clients pass over them.

import { assert } from "./lib.mjs";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

function assertDate(value, name) {
  assert.match(String(value), DATE, name);
  assert.equal(new Date(value).toJSON(), value, name);
}

export function assertUser(info, user) {
  assert.equal(info.id, user.id);
  assert.equal(info.username, user.name);
  assert.ok("profilePictureUrl" in info, "profilePictureUrl is null, not absent");
  assert.ok(!("firebaseUid" in info), "auth ids stay inside");
}

/** A message of `user` in `threadId`. */
export function assertMessage(message, { threadId, user, content, isRead }) {
  assert.match(message.id, UUID);
  assert.equal(message.threadId, threadId);
  assert.equal(message.senderId, user.id);
  assert.equal(message.senderType, user.role);
  assert.equal(message.content, content);
  assert.equal(typeof message.isRead, "boolean");
  if (isRead !== undefined) assert.equal(message.isRead, isRead, `isRead of ${JSON.stringify(content)}`);
  assertDate(message.createdAt, "createdAt");
  assertDate(message.updatedAt, "updatedAt");
  assertUser(message.sender, user);
}

/** What every thread has, wherever it is shown. */
export function assertThread(thread, { campaignId, promoter, advertiser, subject }) {
  assert.match(thread.id, UUID);
  assert.equal(thread.campaignId, campaignId);
  assert.equal(thread.promoterId, promoter.id);
  assert.equal(thread.advertiserId, advertiser.id);
  if (subject !== undefined) assert.equal(thread.subject, subject);
  for (const field of ["lastMessageAt", "createdAt", "updatedAt"]) assertDate(thread[field], field);
}

/** A thread with its relations, as the GETs show it. */
export function assertFullThread(thread, expected) {
  assertThread(thread, expected);
  assert.equal(thread.campaign.id, expected.campaignId);
  assert.equal(typeof thread.campaign.title, "string");
  assert.equal(typeof thread.campaign.isPublic, "boolean");
  assertUser(thread.promoter, expected.promoter);
  assertUser(thread.advertiser, expected.advertiser);
}
