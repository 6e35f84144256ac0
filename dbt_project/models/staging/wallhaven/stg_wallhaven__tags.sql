with

wallpapers as (
    select * from {{ ref('stg_wallhaven__wallpapers') }}
),

final as (
    select
        wallpapers.wallhaven_id,
        wallpapers.batch_id,
        wallpapers.observation_key,
        {{ json_integer('tags.tag', 'id') }} as tag_id,
        {{ json_text('tags.tag', 'name') }} as name,
        coalesce(
            regexp_split_to_array({{ json_text('tags.tag', 'alias') }}, '\s*,\s*'), '{}'
        ) as aliases,
        {{ json_integer('tags.tag', 'category_id') }} as category_id,
        {{ json_text('tags.tag', 'category') }} as category,
        {{ json_text('tags.tag', 'purity') }} as purity,
        {{ json_utc_timestamp('tags.tag', 'created_at') }} as created_at
    from wallpapers
    cross join lateral unnest(wallpapers.tag_list) as tags (tag)
)

select * from final
