-- With which fence a row was written: what a process did after its claim was another's can be told from the tables.
-- Null in older rows, and in those that a replay made of what the bucket shows.
alter table ops.uploads add column fence bigint;
alter table ops.upload_intents add column fence bigint;
