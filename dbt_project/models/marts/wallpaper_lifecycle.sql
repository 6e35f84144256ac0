{{ config(materialized='view', access='public') }}

-- Reads tables only: a view on a staging view would vanish whenever that one is rebuilt. Whoever was never missed has
-- one interval, from its first version; sightings are read for the others alone.

with

absences as (
    select
        substr(page_name, 3) as wallhaven_id,
        case status when 404 then 'gone' else 'withheld' end as state,
        fetched_at as state_at,
        run_key,
        page_name,
        null as reason
    from {{ source('ops', 'pages') }}
    where source = 'wallhaven' and entity = 'wallpaper' and status in (401, 404) and page_name like 'w-%'
),

takedowns as (
    select
        wallhaven_id,
        'taken_down' as state,
        taken_down_at as state_at,
        null as run_key,
        null as page_name,
        reason
    from {{ source('ops', 'tombstones') }}
    where wallhaven_id is not null
),

missed as (
    select wallhaven_id from absences
    union
    select wallhaven_id from takedowns
),

observations as (
    {{ wallhaven_observations(source('raw', 'wallhaven_search'), 'search') }}
    union all
    {{ wallhaven_observations(source('raw', 'wallhaven_wallpaper'), 'wallpaper') }}
),

evidence as (
    select
        wallhaven_id,
        'active' as state,
        fetched_at as state_at,
        run_key,
        page_name,
        null as reason
    from observations
    where {{ of_wallpapers('select missed.wallhaven_id from missed') }}
    union all
    select * from absences
    union all
    select * from takedowns
),

-- What the site shows after a takedown changes nothing any more.
counted as (
    select evidence.*
    from evidence
    left join takedowns on evidence.wallhaven_id = takedowns.wallhaven_id
    where takedowns.state_at is null or evidence.state_at <= takedowns.state_at
),

marked as (
    select
        *,
        coalesce(state <> lag(state) over history, true) as is_change
    from counted
    window history as (partition by wallhaven_id order by state_at, run_key, page_name)
),

changes as (
    select * from marked
    where is_change
),

final as (
    select
        wallhaven_id,
        state,
        state_at as valid_from,
        lead(state_at) over (partition by wallhaven_id order by state_at, run_key, page_name) as valid_to,
        run_key,
        page_name,
        reason
    from changes
    union all
    select
        wallhaven_id,
        'active' as state,
        observed_at as valid_from,
        null as valid_to,
        run_key,
        page_name,
        null as reason
    from {{ ref('wallpaper_versions') }}
    where version_number = 1 and wallhaven_id not in (select missed.wallhaven_id from missed)
)

select * from final
