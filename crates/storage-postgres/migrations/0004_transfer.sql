-- There while another store is copied into this one: until then nobody serves from here.
create table transfer (
  only_row boolean primary key default true check (only_row),
  -- The epoch of the store that is copied.
  source uuid not null,
  -- How far the copy has come.
  place text not null
);
