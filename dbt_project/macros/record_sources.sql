{#-
    Sources without pictures: their records, whatever the entity, as sightings and as versions. The dbt source of the
    same name lists a table {source}_{entity} for every entity.
-#}

{#- One row for each time a record was seen, as macros/wallhaven.sql has it; `record_key` is entity/record_id. -#}
{%- macro record_observations(name, entities) -%}
{%- for entity in entities %}
{%- if not loop.first %}
union all
{%- endif %}
select
    '{{ entity }}' as entity,
    '{{ entity }}/' || records.record_id as record_key,
    records.record_id,
    loads.batch_id,
    loads.run_key,
    loads.page_name,
    records.position,
    loads.fetched_at,
    records.payload,
    {{ content_hash('records.payload') }} as content_hash,
    {{ observation_key('loads', 'records') }} as observation_key
from {{ source('ops', 'loads') }} as loads
inner join {{ source(name, name ~ '_' ~ entity) }} as records on loads.body_sha256 = records.body_sha256
where loads.source = '{{ name }}' and loads.entity = '{{ entity }}'
{%- endfor %}
{%- endmacro -%}

{#-
    The records of an entity as they stand, each from its latest version: for a model with the columns record_key,
    payload, first_seen_at, last_seen_at, updated_at, first_run_key, run_key, version_number and its own. Only records
    that new batches speak of, so that a build's cost is that of its batches.
-#}
{%- macro standing_records(observations, versions, entity) -%}
{{ return(adapter.dispatch('standing_records')(observations, versions, entity)) }}
{%- endmacro -%}

{%- macro default__standing_records(observations, versions, entity) -%}
select
    versions.record_key,
    versions.record_id,
    versions.payload,
    versions.version_number,
    first_versions.observed_at as first_seen_at,
    versions.last_observed_at as last_seen_at,
    versions.observed_at as updated_at,
    first_versions.run_key as first_run_key,
    versions.run_key
from (
    select distinct record_key from {{ observations }}
    where entity = '{{ entity }}' and {{ in_new_batches() }}
) as changed
cross join lateral (
    select * from {{ versions }} as latest
    where latest.record_key = changed.record_key
    order by latest.observation_key desc
    limit 1
) as versions
cross join lateral (
    select * from {{ versions }} as earliest
    where earliest.record_key = changed.record_key
    order by earliest.observation_key
    limit 1
) as first_versions
{%- endmacro -%}

{#- Rows of loads whose counts do not add up, or whose loaded records are not there. -#}
{%- macro loads_that_do_not_add_up(name, entities) -%}
{%- set whole_tables = reads_whole_tables() -%}
with

loads as (
    select
        *,
        max(batch_id) over (partition by entity, body_sha256) as load_batch_id
    from {{ source('ops', 'loads') }}
    where
        source = '{{ name }}'
        {%- if not whole_tables %}
        and {{ in_untested_batches() }}
        {%- endif %}
),

stored as (
    {%- for entity in entities %}
    {%- if not loop.first %}
    union all
    {%- endif %}
    select
        '{{ entity }}' as entity,
        body_sha256,
        count(*) as stored,
        max(batch_id) as record_batch_id
    from {{ source(name, name ~ '_' ~ entity) }}
    {%- if not whole_tables %}
    where body_sha256 = any(array(select loads.body_sha256 from loads))
    {%- endif %}
    group by body_sha256
    {%- endfor %}
)

select loads.page_id
from loads
left join stored using (entity, body_sha256)
where
    loads.received <> loads.loaded + loads.duplicate + loads.quarantined
    or coalesce(stored.stored, 0) not between loads.loaded and loads.received
    or stored.record_batch_id > loads.load_batch_id
{%- endmacro -%}

{#-
    How many records each run saw first and saw changed, over models of versions: {model: its key}. Those that stand in
    the warehouse: a run of one source builds only that source's models.
-#}
{%- macro changes_by_run(models) -%}
select
    null::text as run_key,
    0::bigint as inserted,
    0::bigint as updated
where false
{%- for model, key in models.items() %}
{%- set relation = load_relation(ref(model)) %}
{%- if relation is not none %}
union all
select
    run_key,
    count(*) filter (where version_number = 1) as inserted,
    count(distinct {{ key }}) filter (where version_number > 1) as updated
from {{ relation }}
group by run_key
{%- endif %}
{%- endfor %}
{%- endmacro -%}
