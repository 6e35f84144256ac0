{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key=['wallhaven_id', 'query_key'],
        indexes=[{'columns': ['wallhaven_id', 'query_key'], 'unique': true}],
        pre_hook="{{ apply_batches() }}",
    )
}}

with

new_items as (
    select * from {{ ref('stg_wallhaven__search_items') }}
    where {{ in_new_batches() }}
),

new_finds as (
    select
        new_items.wallhaven_id,
        runs.query_key,
        runs.query,
        runs.parameters,
        new_items.fetched_at as first_found_at,
        new_items.run_key as first_run_key,
        new_items.fetched_at as last_found_at,
        new_items.run_key as last_run_key
    from new_items
    inner join {{ source('ops', 'runs') }} as runs on new_items.run_key = runs.run_key
),

finds as (
    select * from new_finds
    {% if not is_rebuild() %}
        union all
        select * from {{ this }}
        where {{ of_wallpapers('select wallhaven_id from new_finds') }}
    {% endif %}
),

final as (
    select
        wallhaven_id,
        query_key,
        query,
        parameters,
        min(first_found_at) as first_found_at,
        (array_agg(first_run_key order by first_found_at, first_run_key collate "C"))[1] as first_run_key,
        max(last_found_at) as last_found_at,
        (array_agg(last_run_key order by last_found_at desc, last_run_key collate "C" desc))[1] as last_run_key
    from finds
    group by wallhaven_id, query_key, query, parameters
)

select * from final
