-- Datasets that come as one zip: two tables as pages, pictures as entries.
create table raw.kaggle_styles (like raw.wallhaven_search including all, foreign key (batch_id) references ops.batches);
create table raw.kaggle_images (like raw.wallhaven_search including all, foreign key (batch_id) references ops.batches);

-- Which archive a run has opened. sha256: of the whole file.
create table ops.archives (
    run_key text primary key references ops.runs,
    dataset text not null,
    path text not null,
    bytes bigint not null,
    sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
    root text not null,
    entries integer not null,
    opened_at timestamptz not null default clock_timestamp()
);

-- One row a file of a dataset's folders. A stored one whose crc32 and size an archive repeats is not read again.
create table ops.archive_entries (
    dataset text not null,
    name text not null,
    folder text not null,
    run_key text not null references ops.runs,
    outcome text not null check (outcome in ('stored', 'conflict', 'refused', 'corrupt')),
    reason text not null default '',
    object_key text,
    sha256 text,
    bytes bigint not null,
    crc32 bigint not null,
    entered_at timestamptz not null default clock_timestamp(),
    lost_at timestamptz,
    primary key (dataset, name),
    check (outcome <> 'stored' or num_nulls(object_key, sha256) = 0),
    check (outcome = 'stored' or reason <> '')
);
create index archive_entries_bytes on ops.archive_entries (sha256) where sha256 is not null;

create or replace view ops.pictures as
select 'wallhaven' as source, wallhaven_id as picture_id, sha256, s3_key as object_key, bytes
from ops.uploads
where outcome = 'stored' and lost_at is null
union all
select 'kaggle', dataset || '/' || name, sha256, object_key, bytes
from ops.archive_entries
where outcome = 'stored' and lost_at is null;
