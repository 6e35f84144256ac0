create table raw.randomuser_users (like raw.wallhaven_search including all, foreign key (batch_id) references ops.batches);
create index pages_of_body on ops.pages (source, body_sha256);

-- Who must not be kept: whatever is fetched or replayed later comes without them. Only the key and the reason remain.
create table ops.erasures (
    source text not null,
    record_id text not null,
    reason text not null check (reason <> ''),
    erased_at timestamptz not null default clock_timestamp(),
    primary key (source, record_id)
);
