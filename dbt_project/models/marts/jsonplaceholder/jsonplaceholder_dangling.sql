{{ config(materialized='view', access='public') }}

-- Live: a record leaves it when the source lists what it refers to, changes the reference or lists the record no more.

with

dangling as (
    {{ every_dangling_record() }}
),

final as (
    select
        entity,
        record_id,
        refers_to_entity,
        refers_to_id,
        refers_to_entity || ' ' || refers_to_id || ', which the source has never listed' as reason,
        since,
        run_key
    from dangling
)

select * from final
