{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key=['dataset', 'id'],
        indexes=[{'columns': ['dataset', 'id'], 'unique': true}],
        pre_hook="{{ apply_batches(after=['int_kaggle__versions']) }}",
    )
}}

with

standing as (
    {{ standing_records(ref('stg_kaggle__records'), ref('int_kaggle__versions'), 'styles') }}
),

final as (
    select
        split_part(record_key, '/styles/', 1) as dataset,
        record_id::bigint as id,
        payload ->> 'gender' as gender,
        payload ->> 'masterCategory' as master_category,
        payload ->> 'subCategory' as sub_category,
        payload ->> 'articleType' as article_type,
        payload ->> 'baseColour' as base_colour,
        payload ->> 'season' as season,
        {{ json_integer('payload', 'year') }} as season_year,
        payload ->> 'usage' as usage,
        payload ->> 'productDisplayName' as display_name,
        {{ provenance_columns() }}
    from standing
)

select * from final
