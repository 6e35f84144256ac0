-- One row for each logical time at which a file was collected. Two files of the same minute: the later one stands.

with

runs as (
    select
        run_key,
        {{ utc_minute('run_id') }} as logical_time
    from {{ source('ops', 'runs') }}
    where source = 'sales'
),

loads as (
    select * from {{ source('ops', 'loads') }}
    where source = 'sales' and entity = 'lines'
),

ranked as (
    select
        runs.logical_time,
        loads.run_key,
        loads.page_name,
        loads.body_sha256,
        loads.batch_id,
        loads.fetched_at,
        loads.received,
        loads.quarantined,
        row_number() over (
            partition by runs.logical_time
            order by loads.fetched_at desc, loads.run_key desc
        ) as place
    from loads
    inner join runs on loads.run_key = runs.run_key
),

final as (
    select
        logical_time,
        run_key,
        page_name,
        body_sha256,
        batch_id,
        fetched_at,
        received,
        quarantined
    from ranked
    where place = 1
)

select * from final
