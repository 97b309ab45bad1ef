-- There while another store is copied into this one: until then nobody serves from here.
create table transfer (
  only_row integer primary key check (only_row = 1),
  -- The epoch of the store that is copied.
  source blob not null check (length(source) = 16),
  -- How far the copy has come.
  place text not null
) strict;
