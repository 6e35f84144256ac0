{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='id',
        indexes=[{'columns': ['id'], 'unique': true}],
        pre_hook="{{ apply_batches(after=['int_jsonplaceholder__versions']) }}",
        post_hook="{{ tell_what_is_listed('todos') }}",
    )
}}

with

standing as (
    {{ jsonplaceholder_standing('todos') }}
),

final as (
    select
        record_id::bigint as id,
        {{ json_integer('payload', 'userId') }} as user_id,
        payload ->> 'title' as title,
        (payload ->> 'completed')::boolean as is_completed,
        {{ provenance_columns() }},
        true as is_listed
    from standing
)

select * from final
