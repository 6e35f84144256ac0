{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='id',
        indexes=[{'columns': ['id'], 'unique': true}],
        pre_hook="{{ apply_batches(after=['int_jsonplaceholder__versions']) }}",
        post_hook="{{ tell_what_is_listed('albums') }}",
    )
}}

with

standing as (
    {{ jsonplaceholder_standing('albums') }}
),

final as (
    select
        record_id::bigint as id,
        {{ json_integer('payload', 'userId') }} as user_id,
        payload ->> 'title' as title,
        {{ provenance_columns() }},
        true as is_listed
    from standing
)

select * from final
