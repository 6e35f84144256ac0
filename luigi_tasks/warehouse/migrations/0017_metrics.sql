-- Counters for Prometheus grow with what each run added, so that telling them costs what is new, not what is there.
create table ops.metric_totals (
    series text primary key,
    value double precision not null
);

-- What a run has added to the totals so far: a run that goes on after a failure adds only the difference.
create table ops.run_metrics (
    run_key text primary key references ops.runs,
    contribution jsonb not null
);

create index runs_latest on ops.runs (source, finished_at desc) where finished_at is not null;
create index uploads_lost on ops.uploads (wallhaven_id) where lost_at is not null;
