-- When the token was issued that said this; 0: not known, earlier than any.
alter table person add column as_of bigint not null default 0;
