{{
    config(
        materialized='table' if target.type == 'bigquery' else 'incremental',
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
        {{ text_before('record_key', '/styles/') }} as dataset,
        cast(record_id as bigint) as id,
        {{ json_field('payload', 'gender') }} as gender,
        {{ json_field('payload', 'masterCategory') }} as master_category,
        {{ json_field('payload', 'subCategory') }} as sub_category,
        {{ json_field('payload', 'articleType') }} as article_type,
        {{ json_field('payload', 'baseColour') }} as base_colour,
        {{ json_field('payload', 'season') }} as season,
        {{ json_integer('payload', 'year') }} as season_year,
        {{ json_field('payload', 'usage') }} as usage,
        {{ json_field('payload', 'productDisplayName') }} as display_name,
        {{ provenance_columns() }}
    from standing
)

select * from final
