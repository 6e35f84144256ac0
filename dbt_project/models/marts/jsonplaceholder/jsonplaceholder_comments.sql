{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='id',
        indexes=[{'columns': ['id'], 'unique': true}],
        pre_hook="{{ apply_batches(after=['int_jsonplaceholder__versions']) }}",
        post_hook="{{ tell_what_is_listed('comments') }}",
    )
}}

with

standing as (
    {{ jsonplaceholder_standing('comments') }}
),

final as (
    select
        record_id::bigint as id,
        {{ json_integer('payload', 'postId') }} as post_id,
        payload ->> 'name' as name,
        lower(payload ->> 'email') as email,
        payload ->> 'body' as body,
        {{ provenance_columns() }},
        true as is_listed
    from standing
)

select * from final
