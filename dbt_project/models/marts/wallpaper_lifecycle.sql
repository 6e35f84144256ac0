{{ config(materialized='view', access='public') }}

-- Reads tables only: a view on a staging view would vanish whenever that one is rebuilt. Whoever was never missed nor
-- rated anew has one interval, from its first version; sightings are read for the others alone. Nothing is materialized
-- and all is kept apart by wallhaven_id, so that what a reader asks of some wallpapers reaches each table's index.

with

denials as not materialized (
    {{ wallhaven_denials() }}
),

absences as not materialized (
    {{ wallhaven_absences() }}
),

takedowns as not materialized (
    select * from {{ source('ops', 'tombstones') }}
    where wallhaven_id is not null
),

eventful as not materialized (
    select wallhaven_id from denials
    union
    select wallhaven_id from absences
    union
    select wallhaven_id from takedowns
    union
    select later.wallhaven_id
    from {{ ref('wallpaper_versions') }} as later
    inner join {{ ref('wallpaper_versions') }} as firsts
        on later.wallhaven_id = firsts.wallhaven_id and firsts.version_number = 1
    where later.version_number > 1 and later.purity <> firsts.purity
),

observations as (
    {{ wallhaven_observations(source('raw', 'wallhaven_search'), 'search') }}
    union all
    {{ wallhaven_observations(source('raw', 'wallhaven_wallpaper'), 'wallpaper') }}
),

seen as (
    select
        eventful.wallhaven_id,
        sightings.fetched_at,
        sightings.run_key,
        sightings.page_name,
        {{ json_text('sightings.payload', 'purity') }} as purity,
        first_value({{ json_text('sightings.payload', 'purity') }}) over (
            partition by eventful.wallhaven_id order by sightings.observation_key
        ) as first_purity
    from eventful
    -- noqa: disable=LT02
    cross join lateral (
        select observations.* from observations
        where observations.wallhaven_id = eventful.wallhaven_id
        offset 0 -- noqa: AM09
    ) as sightings
    -- noqa: enable=LT02
),

events as (
    select
        wallhaven_id,
        case when purity <> first_purity then 're_rated' else 'active' end as state,
        fetched_at as state_at,
        run_key,
        page_name,
        case when purity <> first_purity then first_purity || ' → ' || purity end as reason,
        null::bigint as tombstone_id,
        true as is_answer,
        0 as denial
    from seen
    union all
    select
        wallhaven_id,
        case status when 404 then 'missing' else 'withheld' end as state,
        fetched_at as state_at,
        run_key,
        page_name,
        case status when 404 then 'the detail answers 404' end as reason,
        null as tombstone_id,
        status = 401 as is_answer,
        (status = 404 and is_spaced)::integer as denial
    from denials
    union all
    select
        wallhaven_id,
        'missing' as state,
        absent_at as state_at,
        run_key,
        null as page_name,
        'absent from ' || query_key as reason,
        null as tombstone_id,
        false as is_answer,
        0 as denial
    from absences
),

-- What the site shows while a takedown stands changes nothing.
counted as (
    select events.* from events
    where
        not exists (
            select from takedowns
            where
                takedowns.wallhaven_id = events.wallhaven_id
                and events.state_at > takedowns.taken_down_at
                and (takedowns.lifted_at is null or events.state_at < takedowns.lifted_at)
        )
    union all
    select
        wallhaven_id,
        'taken_down' as state,
        taken_down_at as state_at,
        null as run_key,
        null as page_name,
        reason,
        tombstone_id,
        true as is_answer,
        0 as denial
    from takedowns
    union all
    select
        wallhaven_id,
        'restored' as state,
        lifted_at as state_at,
        null as run_key,
        null as page_name,
        lift_reason as reason,
        tombstone_id,
        true as is_answer,
        0 as denial
    from takedowns
    where lifted_at is not null
),

-- Since it was last seen, or answered for: that many times denied.
silences as (
    select
        *,
        count(*) filter (where is_answer) over history as silence
    from counted
    window history as (partition by wallhaven_id order by state_at, run_key, page_name, tombstone_id)
),

confirmed as (
    select
        *,
        sum(denial) over (
            partition by wallhaven_id, silence order by state_at, run_key, page_name, tombstone_id
        ) >= {{ gone_confirmations() }} as is_gone
    from silences
),

judged as (
    select
        wallhaven_id,
        case when state = 'missing' and is_gone then 'gone' else state end as state,
        state_at,
        run_key,
        page_name,
        reason,
        tombstone_id
    from confirmed
),

marked as (
    select
        *,
        coalesce(
            state <> lag(state) over history and not (state = 'active' and lag(state) over history = 'restored')
            or state = 're_rated' and reason <> lag(reason) over history,
            true
        ) as is_change
    from judged
    window history as (partition by wallhaven_id order by state_at, run_key, page_name, tombstone_id)
),

changes as (
    select * from marked
    where is_change
),

-- Who has no event, told by its own rows and not from the set of all who have one.
known as (
    select
        wallhaven_id,
        observed_at,
        run_key,
        page_name,
        false as is_eventful
    from {{ ref('wallpaper_versions') }}
    where version_number = 1
    union all
    select
        wallhaven_id,
        null as observed_at,
        null as run_key,
        null as page_name,
        true as is_eventful
    from eventful
),

told as (
    select
        *,
        bool_or(is_eventful) over (partition by wallhaven_id) as has_events
    from known
),

final as (
    select
        wallhaven_id,
        state,
        state_at as valid_from,
        lead(state_at) over (
            partition by wallhaven_id order by state_at, run_key, page_name, tombstone_id
        ) as valid_to,
        run_key,
        page_name,
        tombstone_id,
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
        null as tombstone_id,
        null as reason
    from told
    where not has_events
)

select * from final
