-- What each query's listing is known to hold, the rotating sweep over it, and how much of a crawl was a search.

alter table ops.certificates add column searched integer not null default 0 check (searched between 0 and reads);

-- What a crawl found to have come into the listing or left it: left means expected, and absent from what was read
-- without a gap. Against the changes of the runs that counted before it; uploaded_at is UTC.
create table ops.listing_changes (
    run_key text not null references ops.runs,
    query_key text not null,
    record_id text not null,
    uploaded_at timestamp not null,
    present boolean not null,
    primary key (run_key, record_id)
);
create index listing_changes_place on ops.listing_changes (query_key, uploaded_at);
create index listing_changes_absent on ops.listing_changes (record_id) where not present;

-- One slice a run: read without a gap, from the second at which the rotation's slice before ended. page, total: where
-- its end stood. A crawl that read the listing whole is a rotation of one slice.
create table ops.sweep_slices (
    run_key text primary key references ops.runs,
    query_key text not null,
    rotation integer not null,
    newest_at timestamp not null,
    newest_id text not null,
    oldest_at timestamp not null,
    oldest_id text not null,
    to_end boolean not null,
    page integer not null,
    total integer,
    reads integer not null,
    last_read_at timestamptz not null
);
create index sweep_slices_query on ops.sweep_slices (query_key, rotation);

-- A completed rotation is a certified sweep; slices count when the certificate of their run does.
create view ops.sweeps as
select
    s.query_key,
    s.rotation,
    min(s.last_read_at) as first_slice_at,
    max(s.last_read_at) filter (where s.to_end) as completed_at,
    count(*) as slices,
    sum(s.reads) as reads
from ops.sweep_slices s
inner join ops.counted_certificates c using (run_key)
group by s.query_key, s.rotation;
