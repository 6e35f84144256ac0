-- An erasure is a row first and deeds then: this says that all were done, so that the same command can tell.
alter table ops.erasures add column finished_at timestamptz;
