{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        indexes=[{'columns': ['wallhaven_id', 'tag_id'], 'unique': true}, {'columns': ['tag_id']}],
        pre_hook=[
            "{{ apply_batches(after=['int_wallpaper_details']) }}",
            "{{ forget_changed(ref('stg_wallhaven__wallpapers')) }}",
        ],
    )
}}

with

changed as (
    select distinct wallhaven_id from {{ ref('stg_wallhaven__wallpapers') }}
    where {{ in_new_batches() }}
),

latest_details as (
    select details.*
    from changed
    cross join lateral ({{ one_row_of(ref('int_wallpaper_details')) }}) as details
),

tags as (
    select * from {{ ref('stg_wallhaven__tags') }}
    {% if not is_rebuild() %}
        where {{ of_wallpapers('select wallhaven_id from changed') }}
    {% endif %}
),

final as (
    select
        tags.wallhaven_id,
        tags.tag_id,
        tags.name,
        tags.aliases,
        tags.category_id,
        tags.category,
        tags.purity,
        tags.created_at,
        latest_details.observed_at,
        latest_details.run_key
    from latest_details
    inner join tags using (wallhaven_id, observation_key)
)

select * from final
