-- Rows refer to a thread by its small number, not by its 16-byte id: four indexes on message and the key of member
-- are so much shorter. Times are whole milliseconds since 1970, ids of ours are 16 bytes, ids of the host are text.
-- Every row of a thread keeps the modseq that it took last and the number of the commit that wrote it.

create table meta (
  only_row integer primary key check (only_row = 1),
  -- Names this file's history: positions in it mean nothing in another.
  epoch blob not null check (length(epoch) = 16),
  -- The number of the last commit; one writer, so it counts without gaps.
  commits integer not null
) strict;
insert into meta (only_row, epoch, commits) values (1, randomblob(16), 0);

create table thread (
  number integer primary key,
  id blob not null unique check (length(id) = 16),
  key text unique,
  context_kind text,
  context_id text,
  parent_kind text,
  parent_id text,
  subject text,
  member_count integer not null,
  last_seq integer not null,
  last_message_at integer not null,
  modseq integer not null,
  fields_modseq integer not null,
  created_at integer not null,
  updated_at integer not null,
  commit_no integer not null
) strict;
create index thread_context on thread (context_kind, context_id) where context_kind is not null;

create table member (
  thread integer not null references thread (number),
  user_id text not null,
  -- A copy of thread.id: lists break ties by it.
  thread_id blob not null,
  role text not null,
  -- 0 active, 1 hidden, 2 left, 3 removed
  standing integer not null,
  read_seq integer not null,
  read_at integer,
  -- 0 by sending, 1 up to read_message, 2 the whole thread
  read_via integer not null,
  read_message blob,
  visible_from integer not null,
  archived integer not null,
  muted integer not null,
  joined_at integer not null,
  -- The modseq of their first change: the order in which they came in.
  joined_modseq integer not null,
  modseq integer not null,
  -- A copy of thread.last_message_at in threads of up to 16 members, null in larger ones; right on active rows alone.
  activity_at integer,
  commit_no integer not null,
  primary key (thread, user_id)
) strict, without rowid;
create index member_list on member (user_id, activity_at desc, thread_id desc)
  where standing = 0 and activity_at is not null;
create index member_large on member (user_id) where standing = 0 and activity_at is null;

-- A rowid table: its secondary indexes are smaller and its inserts faster than without (measured).
create table message (
  number integer primary key,
  id blob not null unique check (length(id) = 16),
  thread integer not null references thread (number),
  seq integer not null,
  modseq integer not null,
  -- The modseq with which it was appended; its own moves on with each edit.
  appended_modseq integer not null,
  -- Null: the system.
  sender text,
  sender_role text,
  body text not null,
  client_key text,
  draft blob not null check (length(draft) = 16),
  -- Null: a request.
  session blob,
  created_at integer not null,
  edited_at integer,
  deleted_at integer,
  commit_no integer not null,
  unique (thread, seq)
) strict;
create unique index message_key on message (thread, sender, client_key) where client_key is not null;
create index message_deleted on message (thread, seq) where deleted_at is not null;
create index message_changed on message (thread, modseq);

create table user (
  number integer primary key,
  id text not null unique,
  name text not null,
  avatar_url text,
  role text,
  updated_at integer not null
) strict;

create table context (
  -- Its kind and id, after those of its parent if it has one. Ids hold no spaces.
  key text primary key,
  kind text not null,
  id text not null,
  parent_kind text,
  parent_id text,
  title text not null,
  is_public integer not null,
  -- [[user, role], …]
  parties text not null
) strict;
