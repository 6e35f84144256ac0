-- Files of a dataset that a later version of it changed: ops.archive_entries says which bytes count, this what counted
-- before. Its objects stay where they are. replaced_in: the run that brought the newer one.
create table ops.archive_versions (
    object_key text primary key,
    dataset text not null,
    name text not null,
    run_key text not null references ops.runs,
    sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
    bytes bigint not null,
    crc32 bigint not null,
    entered_at timestamptz not null,
    replaced_in text not null references ops.runs,
    replaced_at timestamptz not null default clock_timestamp(),
    lost_at timestamptz
);
create index archive_versions_bytes on ops.archive_versions (sha256);

-- Every object that the lake should hold for a dataset. counts: it is what the dataset has under the name now.
create view ops.archive_objects as
select dataset, object_key, sha256, bytes, lost_at, true as counts
from ops.archive_entries
where outcome = 'stored'
union all
select dataset, object_key, sha256, bytes, lost_at, false
from ops.archive_versions;
