-- When the token was issued that said this; 0: not known, earlier than any.
alter table user add column as_of integer not null default 0;

-- Texts of people could contain U+0000, which PostgreSQL cannot store, so such a file could not be copied there. They end
-- before it: replace() finds no U+0000. A user without a name is shown by their id; a picture's address is not shortened.
update user set name = coalesce(nullif(trim(substr(name, 1, instr(name, char(0)) - 1)), ''), id)
where instr(name, char(0)) > 0;
update user set username = nullif(trim(substr(username, 1, instr(username, char(0)) - 1)), '')
where instr(username, char(0)) > 0;
update user set email = nullif(trim(substr(email, 1, instr(email, char(0)) - 1)), '')
where instr(email, char(0)) > 0;
update user set avatar_url = null where instr(avatar_url, char(0)) > 0;
update context set title = substr(title, 1, instr(title, char(0)) - 1) where instr(title, char(0)) > 0;
update context set state = nullif(substr(state, 1, instr(state, char(0)) - 1), '') where instr(state, char(0)) > 0;
-- No token of an issuer that PostgreSQL could look up.
delete from subject where instr(issuer, char(0)) > 0 or instr(sub, char(0)) > 0;
