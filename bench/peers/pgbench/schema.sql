-- What PostgreSQL gives when each send is a transaction of its own: the least that a message needs. Idempotency keys,
-- read positions and what a client catches up by are left out, in favour of pgbench.

CREATE TABLE thread (
    id integer PRIMARY KEY,
    last_seq bigint NOT NULL DEFAULT 0,
    last_message_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- Only insert.sql, which locks nothing, lets it number the messages.
CREATE SEQUENCE message_number CACHE 100;

CREATE TABLE message (
    thread_id integer NOT NULL,
    seq bigint NOT NULL DEFAULT nextval('message_number'),
    sender_id integer NOT NULL,
    body text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (thread_id, seq)
);

INSERT INTO thread (id) SELECT generate_series(1, 200);

-- Locks the thread, which gives the next number and says when there was a message last; then stores the message.
CREATE FUNCTION send(thread_of integer, sender integer, said text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    next_seq bigint;
BEGIN
    UPDATE thread SET last_seq = last_seq + 1, last_message_at = now() WHERE id = thread_of
    RETURNING last_seq INTO STRICT next_seq;
    INSERT INTO message (thread_id, seq, sender_id, body) VALUES (thread_of, next_seq, sender, said);
    RETURN next_seq;
END
$$;

VACUUM ANALYZE thread;
