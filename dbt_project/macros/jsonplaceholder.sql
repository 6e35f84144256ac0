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

{#-
    Listed records whose reference leads neither to a row nor to a record that is in quarantine: one of those the source
    has and we do not yet, and one whose very key cannot be read may be any.
-#}
{%- macro dangling_records(children, entity, reference, parents, parent_entity) -%}
select
    '{{ entity }}' as entity,
    children.id::text as record_id,
    '{{ parent_entity }}' as refers_to_entity,
    children.{{ reference }}::text as refers_to_id,
    children.updated_at as since,
    children.run_key
from {{ children }} as children
where
    children.is_listed
    and not exists (select 1 from {{ parents }} as parents where parents.id = children.{{ reference }})
    and not exists (
        select 1 from {{ source('ops', 'quarantine') }} as quarantine
        where
            quarantine.source = 'jsonplaceholder' and quarantine.entity = '{{ parent_entity }}'
            and quarantine.state = 'open'
            and coalesce(quarantine.record_id, children.{{ reference }}::text) = children.{{ reference }}::text
    )
{%- endmacro -%}

{#- The same of every entity that refers to another. -#}
{%- macro every_dangling_record() -%}
{%- for entity, reference, parent in [
    ('posts', 'user_id', 'users'),
    ('comments', 'post_id', 'posts'),
    ('albums', 'user_id', 'users'),
    ('photos', 'album_id', 'albums'),
    ('todos', 'user_id', 'users'),
] %}
{%- if not loop.first %}
union all
{% endif %}
{{ dangling_records(ref('jsonplaceholder_' ~ entity), entity, reference, ref('jsonplaceholder_' ~ parent), parent) }}
{%- endfor %}
{%- endmacro -%}

{#- How many records each entity lists. -#}
{%- macro listed_records() -%}
{%- for entity in jsonplaceholder_entities() %}
{%- if not loop.first %}
union all
{% endif %}
select
    '{{ entity }}' as entity,
    count(*) as records
from {{ ref('jsonplaceholder_' ~ entity) }}
where is_listed
{%- endfor %}
{%- endmacro -%}

{#- QUARANTINE_MAX_SHARE. -#}
{%- macro quarantine_max_share() -%}
{{ env_var('QUARANTINE_MAX_SHARE', '0.05') | float }}
{%- endmacro -%}
