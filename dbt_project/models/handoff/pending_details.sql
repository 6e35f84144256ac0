with

-- Not materialized: a copy of the whole table would be made for the few rows that either part asks for.
wallpapers as not materialized (
    select * from {{ ref('wallpapers') }}
),

without_details as (
    select
        wallpapers.wallhaven_id,
        wallpapers.uploaded_at
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
        )
),

denials as (
    {{ wallhaven_denials() }}
),

-- Who may be gone, and since when that is known.
suspicions as (
    select
        wallhaven_id,
        absent_at as suspected_at
    from ({{ wallhaven_absences() }}) as absences
    union all
    select
        wallhaven_id,
        finished_at as suspected_at
    from {{ source('ops', 'uploads') }}
    where outcome = 'gone' and reopened_at is null
    union all
    select
        wallhaven_id,
        fetched_at as suspected_at
    from denials
    where status = 404
),

suspects as (
    select
        wallhaven_id,
        max(suspected_at) as suspected_at
    from suspicions
    group by wallhaven_id
),

to_check as (
    select
        wallpapers.wallhaven_id,
        wallpapers.uploaded_at
    from suspects
    inner join wallpapers on suspects.wallhaven_id = wallpapers.wallhaven_id
    -- noqa: disable=LT02
    cross join lateral (
        select
            count(*) filter (where denials.status = 404 and denials.is_spaced) as confirmations,
            coalesce(bool_or(denials.status = 401), false) as is_withheld,
            max(denials.fetched_at) as last_at
        from denials
        where denials.wallhaven_id = wallpapers.wallhaven_id and denials.fetched_at > wallpapers.last_seen_at
    ) as answers
    -- noqa: enable=LT02
    where
        suspects.suspected_at > wallpapers.last_seen_at
        and wallpapers.upload_status <> 'taken_down'
        and not answers.is_withheld
        and answers.confirmations < {{ gone_confirmations() }}
        and (answers.last_at is null or answers.last_at + {{ gone_spacing() }} <= now())
),

final as (
    select
        without_details.wallhaven_id,
        without_details.uploaded_at,
        'details' as reason
    from without_details
    where without_details.wallhaven_id not in (select to_check.wallhaven_id from to_check)
    union all
    select
        to_check.wallhaven_id,
        to_check.uploaded_at,
        'existence' as reason
    from to_check
)

select * from final
