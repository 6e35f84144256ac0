-- Per page: every record that was received is accounted for, and what was loaded is there.

{%- set whole_tables = reads_whole_tables() %}

with

loads as (
    select * from {{ source('ops', 'loads') }}
    where
        source = 'wallhaven'
        {% if not whole_tables %}
            and {{ in_untested_batches() }}
        {% endif %}
),

stored as (
    select
        'search' as entity,
        body_sha256,
        count(*) as stored
    from {{ source('raw', 'wallhaven_search') }}
    {% if not whole_tables %}
        where body_sha256 = any(array(select loads.body_sha256 from loads))
    {% endif %}
    group by body_sha256
    union all
    select
        'wallpaper' as entity,
        body_sha256,
        count(*) as stored
    from {{ source('raw', 'wallhaven_wallpaper') }}
    {% if not whole_tables %}
        where body_sha256 = any(array(select loads.body_sha256 from loads))
    {% endif %}
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
