-- Writes the last state of the rows that sending, reading and coming and going change, in one statement, and answers
-- the transaction. No row is written twice: a member who was put carries the thread's activity already.
with counters as (
  update thread t set member_count = c.member_count, last_seq = c.last_seq, last_message_at = c.last_message_at,
    last_number = c.last_number, modseq = c.modseq, notice_due = c.notice_due, notice_upto = c.notice_upto,
    xid = pg_current_xact_id()
  from unnest($1::uuid[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
    c (id, member_count, last_seq, last_message_at, last_number, modseq, notice_due, notice_upto)
  where t.id = c.id
), appended as (
  insert into message (thread_id, seq, id, number, modseq, appended_modseq, sender, sender_role, body, client_key,
    draft, session, imported, created_at, edited_at, deleted_at)
  select * from unnest($9::uuid[], $10::bigint[], $11::uuid[], $12::bigint[], $13::bigint[], $14::bigint[],
    $15::text[], $16::text[], $17::text[], $18::text[], $19::uuid[], $20::uuid[], $21::bool[], $22::bigint[],
    $23::bigint[], $24::bigint[])
), put as (
  insert into member (thread_id, user_id, role, standing, read_seq, read_at, read_via, read_message, read_modseq,
    visible_from, archived, muted, notified_seq, joined_at, joined_modseq, modseq, activity_at)
  select * from unnest($25::uuid[], $26::text[], $27::text[], $28::smallint[], $29::bigint[], $30::bigint[],
    $31::smallint[], $32::uuid[], $33::bigint[], $34::bigint[], $35::bool[], $36::bool[], $37::bigint[], $38::bigint[],
    $39::bigint[], $40::bigint[], $41::bigint[])
  on conflict (thread_id, user_id) do update set role = excluded.role, standing = excluded.standing,
    read_seq = excluded.read_seq, read_at = excluded.read_at, read_via = excluded.read_via,
    read_message = excluded.read_message, read_modseq = excluded.read_modseq,
    visible_from = excluded.visible_from, archived = excluded.archived, muted = excluded.muted,
    notified_seq = excluded.notified_seq, joined_at = excluded.joined_at, modseq = excluded.modseq,
    activity_at = excluded.activity_at, xid = pg_current_xact_id()
), active as (
  update member m set activity_at = c.activity_at
  from unnest($42::uuid[], $43::bigint[], $44::text[]) c (thread_id, activity_at, put)
  where m.thread_id = c.thread_id and m.standing = 0 and m.activity_at is distinct from c.activity_at
    and m.user_id <> all (string_to_array(c.put, ' '))
)
select pg_current_xact_id()::text
