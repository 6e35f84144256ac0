-- A load that says of no record anything else than what was known last; entered with the load. Only what else a load
-- brings is a reason to build.
alter table ops.loads add column repeats boolean not null default false;
create index loads_by_time on ops.loads (source, entity, fetched_at);

-- One row a build of the pipeline, entered when it begins; settled_at when every model and test of it ended well.
-- asked: digest of the project and of what was asked of it. inputs: what the tables that it read had come to, null when
-- nobody asked. relations: what has to be there afterwards.
create table ops.builds (
    build_id bigint generated always as identity primary key,
    selection text not null,
    asked text not null,
    inputs jsonb,
    invocation_id text,
    relations text[] not null default '{}',
    begun_at timestamptz not null default clock_timestamp(),
    settled_at timestamptz
);
create index builds_of on ops.builds (selection, build_id desc);
create index builds_invocation on ops.builds (invocation_id);
create index dbt_builds_by_time on ops.dbt_builds (started_at);
