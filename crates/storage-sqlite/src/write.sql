-- Writes the last state of every changed row. Arguments are JSON arrays of rows, but 10, the last commit.
-- A thread's counters and its fields are apart because the fields are indexed and hardly ever change.

insert into thread (number, id, key, context_kind, context_id, parent_kind, parent_id, subject, member_count,
  last_seq, last_message_at, modseq, fields_modseq, notice_due, notice_upto, created_at, updated_at, commit_no)
select v ->> 'number', unhex(v ->> 'id'), v ->> 'key', v ->> 'context_kind', v ->> 'context_id',
  v ->> 'parent_kind', v ->> 'parent_id', v ->> 'subject', v ->> 'member_count', v ->> 'last_seq',
  v ->> 'last_message_at', v ->> 'modseq', v ->> 'fields_modseq', v ->> 'notice_due', v ->> 'notice_upto',
  v ->> 'created_at', v ->> 'updated_at', v ->> 'commit_no'
from (select value as v from jsonb_each($1));

update thread set member_count = c.member_count, last_seq = c.last_seq, last_message_at = c.last_message_at,
  modseq = c.modseq, notice_due = c.notice_due, notice_upto = c.notice_upto, commit_no = c.commit_no
from (select value ->> 0 as number, value ->> 1 as member_count, value ->> 2 as last_seq,
  value ->> 3 as last_message_at, value ->> 4 as modseq, value ->> 5 as notice_due, value ->> 6 as notice_upto,
  value ->> 7 as commit_no
  from jsonb_each($2)) c
where thread.number = c.number;

update thread set context_kind = v ->> 'context_kind', context_id = v ->> 'context_id',
  parent_kind = v ->> 'parent_kind', parent_id = v ->> 'parent_id', subject = v ->> 'subject',
  fields_modseq = v ->> 'fields_modseq', updated_at = v ->> 'updated_at'
from (select value as v from jsonb_each($3)) where thread.number = v ->> 'number';

insert into member (thread, user_id, thread_id, role, standing, read_seq, read_at, read_via, read_message,
  visible_from, archived, muted, notified_seq, joined_at, joined_modseq, modseq, read_modseq, activity_at, commit_no)
select v ->> 'thread', v ->> 'user_id', unhex(v ->> 'thread_id'), v ->> 'role', v ->> 'standing',
  v ->> 'read_seq', v ->> 'read_at', v ->> 'read_via', unhex(v ->> 'read_message'), v ->> 'visible_from',
  v ->> 'archived', v ->> 'muted', v ->> 'notified_seq', v ->> 'joined_at', v ->> 'joined_modseq', v ->> 'modseq',
  v ->> 'read_modseq', v ->> 'activity_at', v ->> 'commit_no'
from (select value as v from jsonb_each($4)) where true
on conflict (thread, user_id) do update set role = excluded.role, standing = excluded.standing,
  read_seq = excluded.read_seq, read_at = excluded.read_at, read_via = excluded.read_via,
  read_message = excluded.read_message, visible_from = excluded.visible_from, archived = excluded.archived,
  muted = excluded.muted, notified_seq = excluded.notified_seq, joined_at = excluded.joined_at, modseq = excluded.modseq,
  read_modseq = excluded.read_modseq,
  activity_at = excluded.activity_at, commit_no = excluded.commit_no;

update member set activity_at = c.activity_at
from (select value ->> 0 as thread, value ->> 1 as activity_at from jsonb_each($5)) c
where member.thread = c.thread and member.standing = 0 and member.activity_at is not c.activity_at;

insert into message (number, id, thread, seq, modseq, appended_modseq, sender, sender_role, body, client_key,
  draft, session, imported, created_at, edited_at, deleted_at, commit_no)
select v ->> 'number', unhex(v ->> 'id'), v ->> 'thread', v ->> 'seq', v ->> 'modseq',
  v ->> 'appended_modseq', v ->> 'sender', v ->> 'sender_role', v ->> 'body', v ->> 'client_key',
  unhex(v ->> 'draft'), unhex(v ->> 'session'), v ->> 'imported', v ->> 'created_at', v ->> 'edited_at', v ->> 'deleted_at',
  v ->> 'commit_no'
from (select value as v from jsonb_each($6));

update message set modseq = v ->> 'modseq', body = v ->> 'body', draft = unhex(v ->> 'draft'),
  edited_at = v ->> 'edited_at', deleted_at = v ->> 'deleted_at', commit_no = v ->> 'commit_no'
from (select value as v from jsonb_each($7)) where message.number = v ->> 'number';

insert into user (number, id, name, username, email, told, avatar_url, role, as_of, updated_at)
select v ->> 'number', v ->> 'id', v ->> 'name', v ->> 'username', v ->> 'email', v ->> 'told',
  v ->> 'avatar_url', v ->> 'role', v ->> 'as_of', v ->> 'updated_at'
from (select value as v from jsonb_each($8)) where true
on conflict (id) do update set name = excluded.name, username = excluded.username, email = excluded.email,
  told = excluded.told, avatar_url = excluded.avatar_url, role = excluded.role, as_of = excluded.as_of,
  updated_at = excluded.updated_at;

insert into context (key, kind, id, parent_kind, parent_id, title, is_public, state, parties, data)
select v ->> 'key', v ->> 'kind', v ->> 'id', v ->> 'parent_kind', v ->> 'parent_id', v ->> 'title',
  v ->> 'is_public', v ->> 'state', v ->> 'parties', v ->> 'data'
from (select value as v from jsonb_each($9)) where true
on conflict (key) do update set title = excluded.title, is_public = excluded.is_public,
  state = excluded.state, parties = excluded.parties, data = excluded.data;

insert into summary (thread, modseq, id, author, text, key_points, action_items, sentiment, created_at, commit_no)
select v ->> 'thread', v ->> 'modseq', unhex(v ->> 'id'), v ->> 'author', v ->> 'text', v ->> 'key_points',
  v ->> 'action_items', v ->> 'sentiment', v ->> 'created_at', v ->> 'commit_no'
from (select value as v from jsonb_each($11));

insert into job (id, kind, thread_id, upto_seq, failing_users, failures, due_at, claimable_at, attempts)
select unhex(v ->> 0), v ->> 1, unhex(v ->> 2), v ->> 3, v ->> 4, v ->> 5, v ->> 6, v ->> 6, 0
from (select value as v from jsonb_each($12));

delete from subject where user in (select value from jsonb_each($13));

insert into subject (issuer, sub, user)
select v ->> 0, v ->> 1, v ->> 2 from (select value as v from jsonb_each($14)) where true
on conflict (issuer, sub) do update set user = excluded.user;

update meta set commits = $10;
