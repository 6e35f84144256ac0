-- Who works on which picture. A claim holds while its lease runs, by this server's clock, and its worker's session
-- lives; whoever takes it over gets a higher fence, and only the newest fence may change anything.
create sequence ops.upload_workers as integer cycle;
create sequence ops.upload_fences;

create table ops.upload_claims (
    wallhaven_id text primary key,
    run_key text not null references ops.runs,
    worker integer not null,
    fence bigint not null unique,
    claimed_at timestamptz not null default clock_timestamp(),
    leased_until timestamptz not null
);
create index upload_claims_worker on ops.upload_claims (worker);

-- The worker's session holds the advisory lock (1970303347, worker): it ends at once with a killed process,
-- the lease with one that hangs or that the network has cut off.
create function ops.upload_claim_holds(p_claim ops.upload_claims)
returns boolean
language sql volatile as $$
    select
        p_claim.leased_until > clock_timestamp()
        and exists (
            select from pg_locks as l
            where
                l.locktype = 'advisory'
                and l.database = (select d.oid from pg_database as d where d.datname = current_database())
                and l.classid::bigint = 1970303347
                and l.objid::bigint = p_claim.worker
                and l.objsubid = 2
                and l.granted
        )
$$;

-- What the probe of the object store found, once a run.
create table ops.store_probes (
    run_key text not null references ops.runs,
    store text not null,
    result jsonb not null,
    probed_at timestamptz not null default clock_timestamp(),
    primary key (run_key, store)
);
