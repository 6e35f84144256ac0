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
