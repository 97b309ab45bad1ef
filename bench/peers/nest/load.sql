-- The benches' fixture, the same rows as bench/src/fixture.rs:
--   psql -v threads=N -v messages_per_thread=M -v one_advertiser=0|1 -f load.sql
-- A thread's messages come from its two sides in turn, the first from the promoter; all are read but the last one.
-- With one_advertiser=1 the first member of all threads is advertiser-0.

-- Faster: what refers to what is right by construction.
SET synchronous_commit = off;
SET session_replication_role = replica;

-- A UUID of version 7 whose time is the fixture's beginning and a second per thread.
CREATE FUNCTION pg_temp.fixture_id(number bigint, part bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex(at >> 16), 8, '0') || '-' || lpad(to_hex(at & 65535), 4, '0') || '-7000-8000-'
        || lpad(to_hex(part), 12, '0'))::uuid
    FROM (SELECT 1735689600000 + number * 1000 AS at) AS moment
$$;

CREATE FUNCTION pg_temp.fixture_time(number bigint, part bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
    SELECT to_timestamp(1735689600 + number) + part * interval '1 millisecond'
$$;

CREATE TEMPORARY TABLE fixture AS
SELECT number, pg_temp.fixture_id(number, 0) AS id, 'campaign-' || number AS campaign,
    'advertiser-' || CASE WHEN :one_advertiser = 1 THEN 0 ELSE number END AS advertiser,
    'promoter-' || number AS promoter
FROM generate_series(0, :threads::bigint - 1) AS number;

INSERT INTO users (id, firebase_uid, email, name, role, is_setup_done)
SELECT id, 'uid-' || id, id || '@example.org', id, role::user_role, TRUE
FROM (
    SELECT DISTINCT advertiser, 'ADVERTISER' FROM fixture
    UNION ALL
    SELECT promoter, 'PROMOTER' FROM fixture
) AS everybody (id, role);

INSERT INTO campaigns (id, advertiser_id, title, description, type, budget_allocated, deadline, start_date)
SELECT campaign, advertiser, 'Campaign ' || number, 'What campaign ' || number || ' is about.', 'VISIBILITY', 1000,
    '2025-12-31', '2025-01-01'
FROM fixture;

INSERT INTO message_threads
    (id, advertiser_id, promoter_id, campaign_id, subject, last_message_at, created_at, updated_at)
SELECT id, advertiser, promoter, campaign, 'Campaign ' || number, pg_temp.fixture_time(number, :messages_per_thread),
    pg_temp.fixture_time(number, 0), pg_temp.fixture_time(number, :messages_per_thread)
FROM fixture;

INSERT INTO messages (id, thread_id, sender_id, sender_type, content, is_read, created_at, updated_at)
SELECT pg_temp.fixture_id(number, seq), id,
    CASE WHEN seq % 2 = 1 THEN promoter ELSE advertiser END,
    (CASE WHEN seq % 2 = 1 THEN 'PROMOTER' ELSE 'ADVERTISER' END)::message_sender_type,
    rpad('Message ' || seq || ' of thread ' || number || ' ', 180, 'x'), seq < :messages_per_thread,
    pg_temp.fixture_time(number, seq), pg_temp.fixture_time(number, seq)
FROM fixture, generate_series(1, :messages_per_thread::bigint) AS seq
ORDER BY number, seq;

ANALYZE users, campaigns, message_threads, messages;
