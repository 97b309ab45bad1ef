-- Rows refer to a thread by its id: decisions and reads come with it, so no statement has to look up a number first,
-- and every thread-scoped table can be distributed by it. For the same reason no foreign key leads to a thread: all
-- rows of a thread are written through one door, under the lock of its row. Times are whole milliseconds since 1970;
-- ids of the host are compared byte by byte. Every row of a thread keeps the modseq that it took last, and the
-- transaction that wrote it.

create table meta (
  only_row boolean primary key default true check (only_row),
  -- Names this database's history: positions in it mean nothing in another.
  epoch uuid not null default gen_random_uuid()
);
insert into meta default values;

create sequence thread_number as bigint;
-- Taken a block at a time, under the lock of the threads that use it.
create sequence message_number as bigint increment by 1024;
create sequence user_number as bigint;

-- Many updates and hardly any growth: room on each page keeps them off the indexes.
create table thread (
  id uuid primary key,
  number bigint not null unique,
  key text collate "C" unique,
  context_kind text collate "C",
  context_id text collate "C",
  parent_kind text collate "C",
  parent_id text collate "C",
  subject text,
  member_count integer not null,
  last_seq bigint not null,
  last_message_at bigint not null,
  -- The number of its newest message; 0 when there is none.
  last_number bigint not null,
  modseq bigint not null,
  fields_modseq bigint not null,
  -- Until when the pending notice covers new messages.
  notice_due bigint,
  created_at bigint not null,
  updated_at bigint not null,
  xid xid8 not null default pg_current_xact_id()
) with (fillfactor = 80);
create index thread_context on thread (context_kind, context_id) where context_kind is not null;

create table member (
  thread_id uuid not null,
  user_id text collate "C" not null,
  role text not null,
  -- 0 active, 1 hidden, 2 left, 3 removed
  standing smallint not null,
  read_seq bigint not null,
  read_at bigint,
  -- 0 by sending, 1 up to read_message, 2 the whole thread
  read_via smallint not null,
  read_message uuid,
  -- The modseq with which the read marker last moved.
  read_modseq bigint not null,
  visible_from bigint not null,
  archived boolean not null,
  muted boolean not null,
  joined_at bigint not null,
  -- The modseq of their first change: the order in which they came in.
  joined_modseq bigint not null,
  modseq bigint not null,
  -- A copy of thread.last_message_at in threads of up to 16 members, null in larger ones; right on active rows alone.
  activity_at bigint,
  xid xid8 not null default pg_current_xact_id(),
  primary key (thread_id, user_id)
) with (fillfactor = 80);
create index member_list on member (user_id, activity_at desc, thread_id desc)
  where standing = 0 and activity_at is not null;
create index member_large on member (user_id) where standing = 0 and activity_at is null;

create table message (
  thread_id uuid not null,
  seq bigint not null,
  id uuid not null unique,
  -- Unique by its sequence; grows within its thread.
  number bigint not null,
  modseq bigint not null,
  -- The modseq with which it was appended; its own moves on with each edit.
  appended_modseq bigint not null,
  -- Null: the system.
  sender text collate "C",
  sender_role text,
  body text not null,
  client_key text collate "C",
  -- A hash of 16 bytes.
  draft uuid not null,
  -- Null: a request, or an import.
  session uuid,
  imported boolean not null,
  created_at bigint not null,
  edited_at bigint,
  deleted_at bigint,
  xid xid8 not null default pg_current_xact_id(),
  primary key (thread_id, seq)
);
create unique index message_key on message (thread_id, sender, client_key) where client_key is not null;
create index message_deleted on message (thread_id, seq) where deleted_at is not null;
create index message_changed on message (thread_id, modseq);

create table summary (
  thread_id uuid not null,
  modseq bigint not null,
  id uuid not null unique,
  author text not null,
  text text not null,
  -- [[text, [seq, …]], …]
  key_points text not null,
  action_items text not null,
  -- In hundredths, from -100 to 100.
  sentiment smallint,
  created_at bigint not null,
  xid xid8 not null default pg_current_xact_id(),
  primary key (thread_id, modseq)
);

create table job (
  id uuid primary key,
  -- 0: tell those who are away about unread messages of thread_id, from from_seq on.
  kind smallint not null,
  thread_id uuid not null,
  from_seq bigint not null,
  -- Those who are still to be told; empty: everyone.
  only_users text[] not null,
  due_at bigint not null,
  -- When it is due, or when its holder's lease ends.
  claimable_at bigint not null,
  attempts integer not null
);
create index job_claimable on job (claimable_at, id);

-- Not `user`, which is a word of SQL.
create table person (
  id text collate "C" primary key,
  number bigint not null unique,
  name text not null,
  username text,
  email text,
  -- The host itself told; what a token says does not change it then.
  told boolean not null,
  avatar_url text,
  role text,
  updated_at bigint not null
);

-- A user's names at issuers of tokens.
create table subject (
  issuer text collate "C" not null,
  sub text collate "C" not null,
  user_id text collate "C" not null,
  primary key (issuer, sub)
);
create index subject_user on subject (user_id);

create table context (
  -- Its kind and id, after those of its parent if it has one. Ids hold no spaces.
  key text collate "C" primary key,
  kind text not null,
  id text not null,
  parent_kind text,
  parent_id text,
  title text not null,
  is_public boolean not null,
  state text,
  -- [[user, role], …]
  parties text not null,
  -- Free JSON of the host, given back as it is.
  data text
);
