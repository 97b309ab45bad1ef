-- The modseq with which the read marker last moved.
alter table member add column read_modseq integer not null default 0;

-- Until when the pending notice covers new messages.
alter table thread add column notice_due integer;
-- 1: brought over from another system.
alter table message add column imported integer not null default 0;

alter table user add column username text;
alter table user add column email text;
-- 1: the host itself told; what a token says does not change it then.
alter table user add column told integer not null default 0;

alter table context add column state text;
-- Free JSON of the host.
alter table context add column data text;

-- A user's names at issuers of tokens.
create table subject (
  issuer text not null,
  sub text not null,
  user integer not null references user (number),
  primary key (issuer, sub)
) strict, without rowid;
create index subject_user on subject (user);

create table summary (
  thread integer not null references thread (number),
  modseq integer not null,
  id blob not null unique check (length(id) = 16),
  author text not null,
  text text not null,
  -- [[text, [seq, …]], …]
  key_points text not null,
  action_items text not null,
  -- In hundredths, from -100 to 100.
  sentiment integer,
  created_at integer not null,
  commit_no integer not null,
  primary key (thread, modseq)
) strict, without rowid;

create table job (
  id blob primary key check (length(id) = 16),
  -- 0: tell those who are away about unread messages of thread_id, from from_seq on.
  kind integer not null,
  thread_id blob not null check (length(thread_id) = 16),
  from_seq integer not null,
  -- Those who are still to be told, as a JSON list; empty: everyone.
  only_users text not null,
  due_at integer not null,
  -- When it is due, or when its holder's lease ends.
  claimable_at integer not null,
  attempts integer not null
) strict, without rowid;
create index job_claimable on job (claimable_at);
