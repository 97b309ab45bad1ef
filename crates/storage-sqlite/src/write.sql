-- Writes the last state of every changed row. Arguments 1 to 9 are JSON arrays of rows, 10 is the last commit.
-- A thread's counters and its fields are apart because the fields are indexed and hardly ever change.

insert into thread (number, id, key, context_kind, context_id, parent_kind, parent_id, subject, member_count,
  last_seq, last_message_at, modseq, fields_modseq, created_at, updated_at, commit_no)
select v ->> 'number', unhex(v ->> 'id'), v ->> 'key', v ->> 'context_kind', v ->> 'context_id',
  v ->> 'parent_kind', v ->> 'parent_id', v ->> 'subject', v ->> 'member_count', v ->> 'last_seq',
  v ->> 'last_message_at', v ->> 'modseq', v ->> 'fields_modseq', v ->> 'created_at', v ->> 'updated_at',
  v ->> 'commit_no'
from (select value as v from jsonb_each($1));

update thread set member_count = c.member_count, last_seq = c.last_seq, last_message_at = c.last_message_at,
  modseq = c.modseq, commit_no = c.commit_no
from (select value ->> 0 as number, value ->> 1 as member_count, value ->> 2 as last_seq,
  value ->> 3 as last_message_at, value ->> 4 as modseq, value ->> 5 as commit_no from jsonb_each($2)) c
where thread.number = c.number;

update thread set context_kind = v ->> 'context_kind', context_id = v ->> 'context_id',
  parent_kind = v ->> 'parent_kind', parent_id = v ->> 'parent_id', subject = v ->> 'subject',
  fields_modseq = v ->> 'fields_modseq', updated_at = v ->> 'updated_at'
from (select value as v from jsonb_each($3)) where thread.number = v ->> 'number';

insert into member (thread, user_id, thread_id, role, standing, read_seq, read_at, read_via, read_message,
  visible_from, archived, muted, joined_at, joined_modseq, modseq, activity_at, commit_no)
select v ->> 'thread', v ->> 'user_id', unhex(v ->> 'thread_id'), v ->> 'role', v ->> 'standing',
  v ->> 'read_seq', v ->> 'read_at', v ->> 'read_via', unhex(v ->> 'read_message'), v ->> 'visible_from',
  v ->> 'archived', v ->> 'muted', v ->> 'joined_at', v ->> 'joined_modseq', v ->> 'modseq',
  v ->> 'activity_at', v ->> 'commit_no'
from (select value as v from jsonb_each($4)) where true
on conflict (thread, user_id) do update set role = excluded.role, standing = excluded.standing,
  read_seq = excluded.read_seq, read_at = excluded.read_at, read_via = excluded.read_via,
  read_message = excluded.read_message, visible_from = excluded.visible_from, archived = excluded.archived,
  muted = excluded.muted, joined_at = excluded.joined_at, modseq = excluded.modseq,
  activity_at = excluded.activity_at, commit_no = excluded.commit_no;

update member set activity_at = c.activity_at
from (select value ->> 0 as thread, value ->> 1 as activity_at from jsonb_each($5)) c
where member.thread = c.thread and member.standing = 0 and member.activity_at is not c.activity_at;

insert into message (number, id, thread, seq, modseq, appended_modseq, sender, sender_role, body, client_key,
  draft, session, created_at, edited_at, deleted_at, commit_no)
select v ->> 'number', unhex(v ->> 'id'), v ->> 'thread', v ->> 'seq', v ->> 'modseq',
  v ->> 'appended_modseq', v ->> 'sender', v ->> 'sender_role', v ->> 'body', v ->> 'client_key',
  unhex(v ->> 'draft'), unhex(v ->> 'session'), v ->> 'created_at', v ->> 'edited_at', v ->> 'deleted_at',
  v ->> 'commit_no'
from (select value as v from jsonb_each($6));

update message set modseq = v ->> 'modseq', body = v ->> 'body', draft = unhex(v ->> 'draft'),
  edited_at = v ->> 'edited_at', deleted_at = v ->> 'deleted_at', commit_no = v ->> 'commit_no'
from (select value as v from jsonb_each($7)) where message.number = v ->> 'number';

insert into user (number, id, name, avatar_url, role, updated_at)
select v ->> 'number', v ->> 'id', v ->> 'name', v ->> 'avatar_url', v ->> 'role', v ->> 'updated_at'
from (select value as v from jsonb_each($8)) where true
on conflict (id) do update set name = excluded.name, avatar_url = excluded.avatar_url, role = excluded.role,
  updated_at = excluded.updated_at;

insert into context (key, kind, id, parent_kind, parent_id, title, is_public, parties)
select v ->> 'key', v ->> 'kind', v ->> 'id', v ->> 'parent_kind', v ->> 'parent_id', v ->> 'title',
  v ->> 'is_public', v ->> 'parties'
from (select value as v from jsonb_each($9)) where true
on conflict (key) do update set title = excluded.title, is_public = excluded.is_public,
  parties = excluded.parties;

update meta set commits = $10;
