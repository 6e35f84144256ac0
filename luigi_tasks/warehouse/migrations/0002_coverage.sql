-- What each complete crawl may claim: a certificate, and the intervals that a later crawl may stop inside.

-- Written when the crawl is complete. It says what was read, never what was not: intervals is what this crawl read
-- without a gap, gaps what it knows that it may have missed. Positions are (uploaded_at in UTC, record id).
create table ops.certificates (
    run_key text primary key references ops.runs,
    query_key text not null,
    ordered boolean not null,
    stopped_at text not null check (stopped_at in ('end', 'known')),
    reads integer not null,
    rereads integer not null,
    ids_seen integer not null,
    intervals jsonb not null,
    gaps jsonb not null,
    total_first integer,
    total_last integer,
    accounted_total integer,
    unexplained integer,
    first_read_at timestamptz not null,
    last_read_at timestamptz not null,
    certified_at timestamptz not null default clock_timestamp(),
    check (reads > rereads and rereads >= 0)
);
create index certificates_query on ops.certificates (query_key, last_read_at desc);

-- Closed intervals, whole seconds at both ends; to_end: and everything older. Coverage of a query is their union over
-- the runs that count: those of ops.counted_certificates.
create table ops.coverage (
    run_key text not null references ops.certificates,
    query_key text not null,
    newest_at timestamp not null,
    newest_id text not null,
    oldest_at timestamp not null,
    oldest_id text not null,
    to_end boolean not null,
    primary key (run_key, newest_at),
    check (oldest_at <= newest_at)
);

-- A certificate counts from the moment at which its Fetch is complete and every page of its crawl is loaded: a run
-- that fetched and never loaded makes no later run skip anything.
create view ops.counted_certificates as
select c.*
from ops.certificates c
where
    exists (select from ops.steps s where s.run_key = c.run_key and s.step = 'Fetch')
    and not exists (
        select from ops.pages p
        where
            p.run_key = c.run_key and p.entity = 'search' and p.status = 200
            and not exists (select from ops.loads l where l.page_id = p.page_id)
    );
