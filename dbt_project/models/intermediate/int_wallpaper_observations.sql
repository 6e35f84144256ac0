{%- set columns -%}
    wallhaven_id, batch_id, run_key, page_name, position, fetched_at, observation_key, content_hash, views, favorites,
    {{ wallhaven_content_columns() | join(', ') }}
{%- endset -%}

with

search_items as (
    select {{ columns }} from {{ ref('stg_wallhaven__search_items') }}
),

wallpapers as (
    select {{ columns }} from {{ ref('stg_wallhaven__wallpapers') }}
),

final as (
    select * from search_items
    union all
    select * from wallpapers
)

select * from final
