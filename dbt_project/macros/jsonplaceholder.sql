{%- macro jsonplaceholder_entities() -%}
{{ return(['users', 'posts', 'comments', 'albums', 'photos', 'todos']) }}
{%- endmacro -%}

{#- The records of an entity as they stand. -#}
{%- macro jsonplaceholder_standing(entity) -%}
{{ standing_records(ref('stg_jsonplaceholder__records'), ref('int_jsonplaceholder__versions'), entity) }}
{%- endmacro -%}

{#- What every mart says of where a row comes from. -#}
{%- macro provenance_columns() -%}
version_number,
first_seen_at,
last_seen_at,
updated_at,
first_run_key,
run_key
{%- endmacro -%}

{#-
    Post-hook. A resource is one response, whole, and nothing in it says that a record is gone: it stands there no more.
    One that is there but in quarantine is listed. Nothing is written where nothing changed.
-#}
{%- macro tell_what_is_listed(entity) -%}
{%- set latest -%}
select loads.body_sha256 from {{ source('ops', 'loads') }} as loads
where loads.source = 'jsonplaceholder' and loads.entity = '{{ entity }}'
order by loads.fetched_at desc, loads.run_key desc
limit 1
{%- endset -%}
{%- set listed -%}
select records.record_id from {{ source('jsonplaceholder', 'jsonplaceholder_' ~ entity) }} as records
where records.body_sha256 = ({{ latest }})
union all
select quarantine.record_id from {{ source('ops', 'quarantine') }} as quarantine
where
    quarantine.source = 'jsonplaceholder' and quarantine.entity = '{{ entity }}' and quarantine.state = 'open'
    and quarantine.body_sha256 = ({{ latest }}) and quarantine.record_id is not null
{%- endset -%}
update {{ this }} set is_listed = id::text in ({{ listed }})
where is_listed is distinct from (id::text in ({{ listed }}))
{%- endmacro -%}
