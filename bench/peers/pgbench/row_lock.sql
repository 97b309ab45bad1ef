-- A row lock per send, 200 threads in turn, so that clients seldom meet, as those of the other contestants do not.
-- Needs -D n=0 and -D clients=, the number of clients.
\set n :n + :clients
\set t (:client_id + :n) % 200 + 1
SELECT send(:t, 1, 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx');
