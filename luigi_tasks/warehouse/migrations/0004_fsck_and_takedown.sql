-- lost_at: when fsck found that the object of a stored attempt is gone or not what was stored, or takedown removed it.
-- The attempt stays as history and counts no more: stored means outcome 'stored' and not lost.
alter table ops.uploads add column lost_at timestamptz;
alter table ops.uploads add constraint uploads_lost_was_stored check (lost_at is null or outcome = 'stored');
drop index ops.uploads_stored;
create unique index uploads_stored on ops.uploads (wallhaven_id) where outcome = 'stored' and lost_at is null;
create index uploads_bytes on ops.uploads (sha256) where sha256 is not null;

-- The same for a raw page: its rows were loaded, its bytes cannot be had again.
alter table ops.pages add column lost_at timestamptz;

-- What must not be kept, by wallpaper or by the bytes themselves, and why. Never taken back by a program.
create table ops.tombstones (
    tombstone_id bigint generated always as identity primary key,
    wallhaven_id text unique,
    sha256 text unique check (sha256 ~ '^[0-9a-f]{64}$'),
    reason text not null check (reason <> ''),
    taken_down_at timestamptz not null default now(),
    check (num_nonnulls(wallhaven_id, sha256) = 1)
);

-- What `fsck --repair` did. Written before an object is moved, so that a copy is found again after a kill.
create table ops.repairs (
    repair_id bigint generated always as identity primary key,
    damage text not null,
    object_key text not null,
    wallhaven_id text,
    action text not null,
    aside_key text,
    repaired_at timestamptz not null default clock_timestamp()
);
create index repairs_object on ops.repairs (object_key);

-- The few answers that say a wallpaper is not to be had, for its lifecycle.
create index pages_absent on ops.pages (source, entity, page_name) where status in (401, 404);
