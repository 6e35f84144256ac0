-- raw: what the sources said, append-only. ops: what the pipeline did. dbt owns every other schema.

create schema raw;
create schema ops;

-- One run = one logical time of one query of one source. run_key is query_key || '/' || run_id, and query_key is
-- 'source/query-slug': two runs with one query_key asked with the same parameters.
create table ops.runs (
    run_key text primary key,
    source text not null,
    query_key text not null,
    query text not null,
    parameters jsonb not null,
    run_id text not null,
    state text not null check (state in ('running', 'succeeded', 'failed', 'killed')),
    code_version text not null,
    settings_sha256 text not null,
    source_address text not null,
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    error text
);
create index runs_running on ops.runs (source) where state = 'running';

-- The ledger behind the Luigi targets: a row exists when a step of a run is complete.
create table ops.steps (
    run_key text not null references ops.runs,
    step text not null,
    started_at timestamptz not null,
    finished_at timestamptz not null default clock_timestamp(),
    result jsonb not null,
    primary key (run_key, step)
);

-- One response of a source that was kept in the raw zone, whatever its status.
create table ops.pages (
    page_id bigint generated always as identity primary key,
    run_key text not null references ops.runs,
    source text not null,
    entity text not null,
    page_name text not null,
    request jsonb not null,
    status smallint not null,
    object_key text not null unique,
    body_sha256 text not null,
    body_bytes integer not null,
    content_type text not null,
    fetched_at timestamptz not null,
    unique (run_key, entity, page_name)
);
create index pages_body on ops.pages (entity, body_sha256);
create index pages_by_name on ops.pages (source, entity, page_name);

-- What one Load committed, in one transaction with its rows.
create table ops.batches (
    batch_id bigint generated always as identity primary key,
    run_key text not null references ops.runs,
    loaded_at timestamptz not null default clock_timestamp()
);
create index batches_run on ops.batches (run_key);

-- A page that was loaded. Its rows are found by body_sha256: a body that was loaded before is observed again,
-- not stored again. received = loaded + duplicate + quarantined, for every page.
create table ops.loads (
    page_id bigint primary key references ops.pages,
    batch_id bigint not null references ops.batches,
    source text not null,
    entity text not null,
    run_key text not null,
    page_name text not null,
    body_sha256 text not null,
    fetched_at timestamptz not null,
    received integer not null,
    loaded integer not null,
    duplicate integer not null,
    quarantined integer not null,
    unexpected_fields text[] not null default '{}',
    check (received = loaded + duplicate + quarantined)
);
create index loads_batch on ops.loads (batch_id);
create index loads_body on ops.loads (entity, body_sha256);

create table raw.wallhaven_search (
    body_sha256 text not null,
    position integer not null,
    record_id text not null,
    payload jsonb not null,
    batch_id bigint not null references ops.batches,
    fetched_at timestamptz not null,
    primary key (body_sha256, position)
);
create index wallhaven_search_record on raw.wallhaven_search (record_id);

create table raw.wallhaven_wallpaper (like raw.wallhaven_search including all);
alter table raw.wallhaven_wallpaper add foreign key (batch_id) references ops.batches;

-- A record that was not loaded: every violation, and where it stands.
create table ops.quarantine (
    quarantine_id bigint generated always as identity primary key,
    source text not null,
    entity text not null,
    page_id bigint not null references ops.pages,
    batch_id bigint not null references ops.batches,
    body_sha256 text not null,
    position integer not null,
    record_id text,
    violations jsonb not null,
    record text not null,
    state text not null default 'open' check (state in ('open', 'closed')),
    quarantined_at timestamptz not null default clock_timestamp(),
    closed_at timestamptz,
    unique (entity, body_sha256, position)
);
create index quarantine_open on ops.quarantine (source, entity) where state = 'open';

-- Which batches a dbt model has taken in. Written by the model's own transaction, so that no watermark is needed.
create table ops.applied_batches (
    model text not null,
    batch_id bigint not null references ops.batches,
    invocation_id text not null,
    primary key (model, batch_id)
);
create index applied_batches_invocation on ops.applied_batches (model, invocation_id);

-- A frozen work list.
create table ops.manifests (
    manifest_id bigint generated always as identity primary key,
    run_key text not null unique references ops.runs,
    frozen_at timestamptz not null default clock_timestamp(),
    items integer not null
);
create table ops.manifest_items (
    manifest_id bigint not null references ops.manifests,
    position integer not null,
    wallhaven_id text not null,
    image_url text not null,
    s3_key text not null,
    file_type text not null,
    file_size bigint not null,
    width integer not null,
    height integer not null,
    primary key (manifest_id, position),
    unique (manifest_id, wallhaven_id)
);

-- Said before a put and taken back by the transaction that registers it: an object is never without an owner.
create table ops.upload_intents (
    wallhaven_id text primary key,
    run_key text not null references ops.runs,
    s3_key text not null,
    sha256 text not null,
    intended_at timestamptz not null default clock_timestamp()
);

-- One row for the outcome of every attempt; a stored one is unique per wallpaper.
create table ops.uploads (
    upload_id bigint generated always as identity primary key,
    run_key text not null references ops.runs,
    wallhaven_id text not null,
    attempt integer not null,
    outcome text not null,
    reason text not null default '',
    s3_key text,
    sha256 text,
    bytes bigint,
    content_type text,
    width integer,
    height integer,
    flags text[] not null default '{}',
    http_status smallint,
    started_at timestamptz not null,
    finished_at timestamptz not null default clock_timestamp(),
    reopened_at timestamptz,
    modelled_in text,
    check (outcome <> 'stored' or (s3_key is not null and sha256 is not null and bytes is not null)),
    unique (wallhaven_id, attempt)
);
create unique index uploads_stored on ops.uploads (wallhaven_id) where outcome = 'stored';
create index uploads_run on ops.uploads (run_key);
create index uploads_not_modelled on ops.uploads (wallhaven_id) where modelled_in is null;
create index uploads_modelled on ops.uploads (modelled_in) where modelled_in is not null;

create table ops.dbt_nodes (
    run_key text not null references ops.runs,
    step text not null,
    invocation_id text not null,
    unique_id text not null,
    resource_type text not null,
    status text not null,
    execution_seconds double precision not null,
    failures integer,
    message text,
    finished_at timestamptz not null default clock_timestamp(),
    primary key (invocation_id, unique_id)
);
create index dbt_nodes_run on ops.dbt_nodes (run_key);

-- One row a source: when its last requests were granted, over all processes and hosts.
create table ops.request_budget (
    source text primary key,
    grants timestamptz[] not null default '{}',
    blocked_until timestamptz not null default '-infinity'
);

-- Takes one request out of the budget of a source and returns 0, or takes nothing and returns the seconds to wait.
-- Never more than p_limit grants in any p_window, by this server's clock; after p_burst of them they are spaced evenly.
create function ops.take_request(p_source text, p_limit integer, p_burst integer, p_window interval)
returns table (wait_seconds double precision, used integer)
language plpgsql as $$
declare
    budget ops.request_budget;
    recent timestamptz[];
    moment timestamptz;
    free_at timestamptz;
begin
    insert into ops.request_budget (source) values (p_source) on conflict do nothing;
    select * into budget from ops.request_budget b where b.source = p_source for update;
    moment := clock_timestamp();
    recent := array(select g from unnest(budget.grants) as g where g > moment - p_window order by g);
    used := cardinality(recent);
    free_at := greatest(moment, budget.blocked_until);
    if used >= p_limit then
        free_at := greatest(free_at, recent[used - p_limit + 1] + p_window);
    end if;
    if used >= p_burst then
        free_at := greatest(free_at, recent[used] + p_window / p_limit);
    end if;
    wait_seconds := extract(epoch from free_at - moment);
    if wait_seconds = 0 then
        used := used + 1;
        update ops.request_budget b set grants = recent || moment where b.source = p_source;
    end if;
    return next;
end;
$$;
