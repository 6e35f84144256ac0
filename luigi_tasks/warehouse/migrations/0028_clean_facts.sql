-- The clean zone's files about the pictures of a dataset: no page became one, so ops.clean_files does not have them.
-- Earlier versions keep their rows: their objects stand beside the newest.
create table ops.clean_facts (
    object_key text primary key,
    source text not null,
    dataset text not null,
    run_key text not null references ops.runs,
    sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
    bytes bigint not null,
    records integer not null,
    cleaned_at timestamptz not null default clock_timestamp()
);
