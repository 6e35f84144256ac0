-- Per page: every record that was received is accounted for, and what was loaded is there.

with

loads as (
    select * from {{ source('ops', 'loads') }}
    where source = 'wallhaven'
),

stored as (
    select
        'search' as entity,
        body_sha256,
        count(*) as stored
    from {{ source('raw', 'wallhaven_search') }}
    group by body_sha256
    union all
    select
        'wallpaper' as entity,
        body_sha256,
        count(*) as stored
    from {{ source('raw', 'wallhaven_wallpaper') }}
    group by body_sha256
)

select
    loads.page_id,
    loads.received,
    loads.loaded,
    loads.duplicate,
    loads.quarantined,
    coalesce(stored.stored, 0) as stored
from loads
left join stored using (entity, body_sha256)
where
    loads.received <> loads.loaded + loads.duplicate + loads.quarantined
    or coalesce(stored.stored, 0) not between loads.loaded and loads.received
