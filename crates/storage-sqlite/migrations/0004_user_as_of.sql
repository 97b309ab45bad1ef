-- When the token was issued that said this; 0: not known, earlier than any.
alter table user add column as_of integer not null default 0;
