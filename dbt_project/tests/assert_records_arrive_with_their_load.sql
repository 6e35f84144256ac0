-- Models learn of a record by its load's batch. A record that came later than every load of its body (a page that was
-- driven again without renewing ops.loads.batch_id) would never be read.

{%- set whole_tables = reads_whole_tables() %}

with

records as (
    select
        'search' as entity,
        body_sha256,
        max(batch_id) as record_batch_id
    from {{ source('raw', 'wallhaven_search') }}
    {% if not whole_tables %}
        where {{ of_untested_bodies() }}
    {% endif %}
    group by body_sha256
    union all
    select
        'wallpaper' as entity,
        body_sha256,
        max(batch_id) as record_batch_id
    from {{ source('raw', 'wallhaven_wallpaper') }}
    {% if not whole_tables %}
        where {{ of_untested_bodies() }}
    {% endif %}
    group by body_sha256
),

loads as (
    select
        entity,
        body_sha256,
        max(batch_id) as load_batch_id
    from {{ source('ops', 'loads') }}
    where
        source = 'wallhaven'
        {% if not whole_tables %}
            and {{ of_untested_bodies() }}
        {% endif %}
    group by entity, body_sha256
)

select
    entity,
    body_sha256,
    records.record_batch_id,
    loads.load_batch_id
from records
left join loads using (entity, body_sha256)
where loads.load_batch_id is null or loads.load_batch_id < records.record_batch_id
