with

-- Not materialized: a copy of the whole table would be made for the few rows that either part asks for.
wallpapers as not materialized (
    select * from {{ ref('wallpapers') }}
),

suspicions as (
    {{ wallhaven_suspicions() }}
),

without_details as (
    select
        wallpapers.wallhaven_id,
        wallpapers.uploaded_at,
        'details' as reason
    from wallpapers
    where
        wallpapers.details_fetched_at is null
        and not exists (
            select
            from {{ source('ops', 'pages') }} as pages
            left join {{ source('ops', 'loads') }} as loads on pages.page_id = loads.page_id
            where
                pages.source = 'wallhaven'
                and pages.entity = 'wallpaper'
                and pages.page_name = 'w-' || wallpapers.wallhaven_id
                and pages.lost_at is null
                and (pages.status in (401, 404) or (pages.status = 200 and loads.page_id is not null))
            offset 0 -- noqa: AM09
        )
        and not {{ is_to_be_checked('wallpapers') }}
    order by wallpapers.uploaded_at desc, wallpapers.wallhaven_id asc
),

to_check as (
    select
        suspects.wallhaven_id,
        wallpapers.uploaded_at,
        'existence' as reason
    from (
        select
            wallhaven_id,
            max(suspected_at) as suspected_at
        from suspicions
        group by wallhaven_id
    ) as suspects
    inner join wallpapers on suspects.wallhaven_id = wallpapers.wallhaven_id
    where suspects.suspected_at > wallpapers.last_seen_at and {{ is_to_be_checked('wallpapers') }}
),

final as (
    select * from without_details
    union all
    select * from to_check
)

-- Ordered here and in its part as the index is: whoever asks for the first reads the first only.
select * from final
order by uploaded_at desc, wallhaven_id asc
