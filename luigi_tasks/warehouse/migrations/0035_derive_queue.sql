-- Which stored pictures may lack something that Derive makes: a row for each change, gone once Derive has looked. Written
-- where the change is, so that no run reads all pictures to find some.
create table ops.derive_queue (
    queue_id bigint generated always as identity primary key,
    source text not null,
    sha256 text not null
);
create index derive_queue_of on ops.derive_queue (source, sha256);

-- What a source's pictures were last looked through for, all of them; other recipes, another library or limit: once more.
create table ops.derive_passes (
    source text primary key,
    asked text not null,
    passed_at timestamptz not null default clock_timestamp()
);

create function ops.queue_stored() returns trigger
language plpgsql
as $$
begin
    insert into ops.derive_queue (source, sha256) values (tg_argv[0], new.sha256);
    return null;
end
$$;

create trigger queued_upload after insert or update of outcome, lost_at, sha256 on ops.uploads
for each row when (new.outcome = 'stored' and new.lost_at is null)
execute function ops.queue_stored('wallhaven');

create trigger queued_entry after insert or update of outcome, lost_at, sha256 on ops.archive_entries
for each row when (new.outcome = 'stored' and new.lost_at is null)
execute function ops.queue_stored('kaggle');

create function ops.queue_again() returns trigger
language plpgsql
as $$
begin
    insert into ops.derive_queue (source, sha256)
    select distinct source, sha256 from ops.pictures
    where sha256 = to_jsonb(old) ->> tg_argv[0];
    return null;
end
$$;

create trigger forgotten_facts after delete on ops.image_metadata
for each row execute function ops.queue_again('sha256');

create trigger reopened_facts after update of attempts on ops.image_metadata
for each row when (new.attempts < old.attempts)
execute function ops.queue_again('sha256');

create trigger forgotten_derivative after delete on ops.derivatives
for each row execute function ops.queue_again('source_sha256');

create trigger reopened_derivative after update of attempts on ops.derivatives
for each row when (new.attempts < old.attempts)
execute function ops.queue_again('source_sha256');
