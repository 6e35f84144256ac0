with

candidates as (
    select * from {{ ref('wallpapers') }}
    where details_fetched_at is null
),

final as (
    select
        candidates.wallhaven_id,
        candidates.uploaded_at
    from candidates
    where
        not exists (
            select
            from {{ source('ops', 'pages') }} as pages
            left join {{ source('ops', 'loads') }} as loads on pages.page_id = loads.page_id
            where
                pages.source = 'wallhaven'
                and pages.entity = 'wallpaper'
                and pages.page_name = 'w-' || candidates.wallhaven_id
                and pages.lost_at is null
                and (pages.status in (401, 404) or (pages.status = 200 and loads.page_id is not null))
        )
    order by candidates.uploaded_at desc, candidates.wallhaven_id asc
)

select * from final
