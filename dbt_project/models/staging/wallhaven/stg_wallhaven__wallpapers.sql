with

observations as (
    {{ wallhaven_observations(source('raw', 'wallhaven_wallpaper'), 'wallpaper') }}
),

typed as (
    select
        wallhaven_id,
        batch_id,
        run_key,
        page_name,
        position,
        fetched_at,
        observation_key,
        {{ wallhaven_item_columns() }},
        {{ json_text("(payload -> 'uploader')", 'username') }} as uploader,
        {{ json_text("(payload -> 'uploader')", 'group') }} as uploader_group,
        {{ wallhaven_tags() }} as tag_list
    from observations
),

final as (
    select
        *,
        array(
            select tags.tag ->> 'name'
            from unnest(tag_list) as tags (tag)
            order by (tags.tag ->> 'name') collate "C"
        ) as tags,
        {{ wallhaven_content_hash() }} as content_hash,
        md5(jsonb_build_array(uploader, uploader_group, to_jsonb(tag_list))::text) as details_hash
    from typed
)

select * from final
