-- The store's connections look rows up by index alone, which does not suit whole tables.
set local enable_seqscan = on;
set local enable_hashjoin = on;
set local enable_mergejoin = on;

-- The dates of a thread's messages rise strictly with their places, so that a page before a date skips nothing: each is
-- moved behind the one before it where it is not later already. Modseqs stay: nobody need hear of a millisecond.
update message x set created_at = d.created_at
from (select thread_id, seq, max(created_at - seq) over (partition by thread_id order by seq) + seq as created_at
  from message) d
where x.thread_id = d.thread_id and x.seq = d.seq and x.created_at <> d.created_at;

update thread t set last_message_at = x.created_at from message x
where x.thread_id = t.id and x.seq = t.last_seq and t.last_message_at <> x.created_at;

update member m set activity_at = t.last_message_at from thread t
where t.id = m.thread_id and m.standing = 0 and m.activity_at is not null and m.activity_at <> t.last_message_at;

-- Up to which message notice windows have ended.
alter table thread add column notice_upto bigint not null default 0;
-- The newest message that a notice was about. What no job is about was notified, or read by somebody who was there; and
-- those whom a job passes over were notified of what it is about.
alter table member add column notified_seq bigint not null default 0;
update member m set notified_seq = t.last_seq from thread t where t.id = m.thread_id;
update member m set notified_seq = j.upto
from (
  select m.thread_id, m.user_id, min(job.from_seq) - 1 as upto
  from job join member m on m.thread_id = job.thread_id
  where cardinality(job.only_users) = 0 or m.user_id = any(job.only_users)
  group by m.thread_id, m.user_id
) j
where j.thread_id = m.thread_id and j.user_id = m.user_id;

-- When the pending window ends: from now on exactly as long as there is a job for it.
update thread set notice_due = null where notice_due is not null;
update thread t set notice_due = j.due
from (select thread_id, max(due_at) as due from job group by thread_id) j where j.thread_id = t.id;

-- 0: the notice window of thread_id ends; 1: notify again who has something unread up to upto_seq.
alter table job rename column from_seq to upto_seq;
-- To whom the delivery failed last, and how often in a row.
alter table job rename column only_users to failing_users;
alter table job add column failures integer not null default 0;
update job set upto_seq = 0, failing_users = '{}';
-- Windows that end are claimed before what is repeated.
drop index job_claimable;
create index job_claimable on job (kind, claimable_at, id);
