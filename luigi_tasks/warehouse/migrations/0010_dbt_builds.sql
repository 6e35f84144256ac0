-- What dbt's tests have passed on; until then every test reads it. The invocation, set by the project's on-run-end.
alter table ops.batches add column tested_in text;
create index batches_untested on ops.batches (batch_id) where tested_in is null;
alter table ops.uploads add column tested_in text;
create index uploads_untested on ops.uploads (wallhaven_id) where tested_in is null;

-- One row a dbt invocation, entered when it starts. untested_batches: those it found then, for only of these it may say
-- that they are tested.
create table ops.dbt_builds (
    invocation_id text primary key,
    started_at timestamptz not null default clock_timestamp(),
    untested_batches bigint[] not null
);
