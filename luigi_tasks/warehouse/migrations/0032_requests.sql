-- What a run's requests came to. A 429, a 5xx or no answer at all is no page, so ops.pages knows nothing of them.
create table ops.requests (
    run_key text not null references ops.runs,
    outcome text not null check (
        outcome in ('answered', 'throttled', 'refused', 'failed', 'unreachable', 'unusable')
    ),
    requests integer not null,
    primary key (run_key, outcome)
);

-- The overview shows the last runs of each source, however many another one had since.
create index runs_started_by_source on ops.runs (source, started_at desc);
