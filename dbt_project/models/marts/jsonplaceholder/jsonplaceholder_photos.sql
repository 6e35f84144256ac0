{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='id',
        indexes=[{'columns': ['id'], 'unique': true}],
        pre_hook="{{ apply_batches(after=['int_jsonplaceholder__versions']) }}",
        post_hook="{{ tell_what_is_listed('photos') }}",
    )
}}

with

standing as (
    {{ jsonplaceholder_standing('photos') }}
),

final as (
    select
        record_id::bigint as id,
        {{ json_integer('payload', 'albumId') }} as album_id,
        payload ->> 'title' as title,
        payload ->> 'url' as url,
        payload ->> 'thumbnailUrl' as thumbnail_url,
        {{ provenance_columns() }},
        true as is_listed
    from standing
)

select * from final
