{{ config(materialized='view', access='public') }}

-- Minutes between the first and the latest collected one that no run has: what RangeByMinutes has yet to fill.

with

minutes as (
    select distinct run_id::timestamp as minute
    from {{ source('ops', 'runs') }}
    where source = 'randomuser' and state in ('succeeded', 'replayed')
),

expected as (
    select generate_series(min(minute), max(minute), interval '1 minute') as minute
    from minutes
),

final as (
    select expected.minute
    from expected
    left join minutes on expected.minute = minutes.minute
    where minutes.minute is null
)

select * from final
