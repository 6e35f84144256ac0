{#-
    What Postgres and BigQuery say in different words, for Kaggle's models. On BigQuery a payload is of type JSON, and
    every build makes the models anew: the ledger of batches is Postgres's.
-#}

{%- macro as_text(value) -%}
cast({{ value }} as {{ dbt.type_string() }})
{%- endmacro -%}

{%- macro json_field(payload, field) -%}
{{ return(adapter.dispatch('json_field')(payload, field)) }}
{%- endmacro -%}

{%- macro default__json_field(payload, field) -%}
{{ payload }} ->> '{{ field }}'
{%- endmacro -%}

{%- macro bigquery__json_field(payload, field) -%}
json_value({{ payload }}, '$.{{ field }}')
{%- endmacro -%}

{%- macro bigquery__json_integer(payload, field, type='bigint') -%}
{%- set text = json_field(payload, field) -%}
case
    when regexp_contains({{ text }}, r'^-?[0-9]{1,{{ 9 if type == 'integer' else 18 }}}([.]0+)?$')
        then cast(regexp_extract({{ text }}, r'^-?[0-9]+') as int64)
end
{%- endmacro -%}

{#- Equal for equal records. -#}
{%- macro content_hash(payload) -%}
{{ return(adapter.dispatch('content_hash')(payload)) }}
{%- endmacro -%}

{%- macro default__content_hash(payload) -%}
md5({{ payload }}::text)
{%- endmacro -%}

{%- macro bigquery__content_hash(payload) -%}
to_hex(md5(to_json_string({{ payload }})))
{%- endmacro -%}

{#- Total order of sightings, by bytes. -#}
{%- macro observation_key(loads, records) -%}
{{ return(adapter.dispatch('observation_key')(loads, records)) }}
{%- endmacro -%}

{%- macro default__observation_key(loads, records) -%}
(
        to_char({{ loads }}.fetched_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US')
        || ' ' || {{ loads }}.run_key
        || ' ' || {{ loads }}.page_name
        || ' ' || {{ position_key(records ~ '.position') }}
    ) collate "C"
{%- endmacro -%}

{%- macro bigquery__observation_key(loads, records) -%}
format_timestamp('%Y-%m-%dT%H:%M:%E6S', {{ loads }}.fetched_at, 'UTC')
    || ' ' || {{ loads }}.run_key
    || ' ' || {{ loads }}.page_name
    || ' ' || {{ position_key(records ~ '.position') }}
{%- endmacro -%}

{%- macro text_before(text, separator) -%}
{{ return(adapter.dispatch('text_before')(text, separator)) }}
{%- endmacro -%}

{%- macro default__text_before(text, separator) -%}
split_part({{ text }}, '{{ separator }}', 1)
{%- endmacro -%}

{%- macro bigquery__text_before(text, separator) -%}
split({{ text }}, '{{ separator }}')[offset(0)]
{%- endmacro -%}

{#- What stands behind the last slash. -#}
{%- macro last_segment(name) -%}
{{ return(adapter.dispatch('last_segment')(name)) }}
{%- endmacro -%}

{%- macro default__last_segment(name) -%}
substring({{ name }} from '[^/]*$')
{%- endmacro -%}

{%- macro bigquery__last_segment(name) -%}
regexp_extract({{ name }}, r'[^/]*$')
{%- endmacro -%}

{#- The whole number before the first dot of a file's name, null when there is none. -#}
{%- macro number_of_file(filename) -%}
{{ return(adapter.dispatch('number_of_file')(filename)) }}
{%- endmacro -%}

{%- macro default__number_of_file(filename) -%}
case when {{ filename }} ~ '^[0-9]{1,18}[.]' then split_part({{ filename }}, '.', 1)::bigint end
{%- endmacro -%}

{%- macro bigquery__number_of_file(filename) -%}
cast(regexp_extract({{ filename }}, r'^([0-9]{1,18})[.]') as int64)
{%- endmacro -%}

{%- macro first_colour(colours) -%}
{{ return(adapter.dispatch('first_colour')(colours)) }}
{%- endmacro -%}

{%- macro default__first_colour(colours) -%}
{{ colours }} #>> '{0,hex}'
{%- endmacro -%}

{%- macro bigquery__first_colour(colours) -%}
json_value({{ colours }}, '$[0].hex')
{%- endmacro -%}

{%- macro json_holds_something(document) -%}
{{ return(adapter.dispatch('json_holds_something')(document)) }}
{%- endmacro -%}

{%- macro default__json_holds_something(document) -%}
{{ document }} <> '{}'
{%- endmacro -%}

{%- macro bigquery__json_holds_something(document) -%}
to_json_string({{ document }}) <> '{}'
{%- endmacro -%}

{#- As default__standing_records, without lateral joins and over everything. -#}
{%- macro bigquery__standing_records(observations, versions, entity) -%}
select
    latest.record_key,
    latest.record_id,
    latest.payload,
    latest.version_number,
    earliest.observed_at as first_seen_at,
    latest.last_observed_at as last_seen_at,
    latest.observed_at as updated_at,
    earliest.run_key as first_run_key,
    latest.run_key
from (
    select * from {{ versions }} where entity = '{{ entity }}'
    qualify row_number() over (partition by record_key order by observation_key desc) = 1
) as latest
inner join (
    select * from {{ versions }} where entity = '{{ entity }}'
    qualify row_number() over (partition by record_key order by observation_key) = 1
) as earliest
    on latest.record_key = earliest.record_key
{%- endmacro -%}

{%- macro bigquery__is_rebuild() -%}
{{ return(true) }}
{%- endmacro -%}

{%- macro bigquery__apply_batches(after=[]) -%}
{%- endmacro -%}

{%- macro bigquery__enter_build() -%}
{%- endmacro -%}

{%- macro bigquery__settle_builds(results) -%}
{%- endmacro -%}
