-- What the overview tells of a run, kept when its report is written: a page over the last runs costs their rows alone.
create table ops.run_reports (
    run_key text primary key references ops.runs,
    state text not null,
    finished_at timestamptz,
    figures jsonb not null,
    written_at timestamptz not null default clock_timestamp()
);

create index runs_started on ops.runs (started_at desc);
create index quarantine_batch on ops.quarantine (batch_id);
