{#- What Postgres and Redshift say in different words. On Redshift a payload is JSON text, filled by COPY. -#}

{#- A cell of a payload; null when it is empty. -#}
{%- macro json_cell(payload, field) -%}
{{ return(adapter.dispatch('json_cell')(payload, field)) }}
{%- endmacro -%}

{%- macro default__json_cell(payload, field) -%}
nullif({{ payload }} ->> '{{ field }}', '')
{%- endmacro -%}

{%- macro redshift__json_cell(payload, field) -%}
nullif(json_extract_path_text({{ payload }}, '{{ field }}', true), '')
{%- endmacro -%}

{#- The same of a record in quarantine, which may be a sentence instead of an object. -#}
{%- macro quarantined_cell(record, field) -%}
{{ json_cell(record ~ ('::json' if target.type == 'postgres' else ''), field) }}
{%- endmacro -%}

{#- MD5 of some columns: equal when all of them are, a null being a value like another. -#}
{%- macro fingerprint_of(columns) -%}
{{ return(adapter.dispatch('fingerprint_of')(columns)) }}
{%- endmacro -%}

{%- macro default__fingerprint_of(columns) -%}
md5(jsonb_build_array({{ columns | join(', ') }})::text)
{%- endmacro -%}

{%- macro redshift__fingerprint_of(columns) -%}
md5(json_serialize(array({{ columns | join(', ') }})))
{%- endmacro -%}

{#- Condition: a column's value is one that a query selects. As an array, Postgres pushes it into views. -#}
{%- macro among(column, query) -%}
{{ return(adapter.dispatch('among')(column, query)) }}
{%- endmacro -%}

{%- macro default__among(column, query) -%}
{{ column }} = any(array({{ query }}))
{%- endmacro -%}

{%- macro redshift__among(column, query) -%}
{{ column }} in ({{ query }})
{%- endmacro -%}

{#- One row for each day from January 1 of `first_date`'s year to December 31 of `last_date`'s, as date_day. -#}
{%- macro days_of_years(bounds) -%}
{{ return(adapter.dispatch('days_of_years')(bounds)) }}
{%- endmacro -%}

{%- macro default__days_of_years(bounds) -%}
select
    generate_series(
        date_trunc('year', first_date), date_trunc('year', last_date) + interval '1 year' - interval '1 day',
        interval '1 day'
    )::date as date_day
from {{ bounds }}
{%- endmacro -%}

{#- Redshift's generate_series runs on its leader only. Years are 1900 to 2099, so 100,000 numbers are enough. -#}
{%- macro redshift__days_of_years(bounds) -%}
select dateadd(day, numbers.number::integer, date_trunc('year', first_date))::date as date_day
from {{ bounds }}
inner join (
    select ones.n + 10 * tens.n + 100 * hundreds.n + 1000 * thousands.n + 10000 * myriads.n as number
    {%- for power in ['ones', 'tens', 'hundreds', 'thousands', 'myriads'] %}
    {{ 'from' if loop.first else 'cross join' }} (
        {%- for n in range(10) %}{{ ' union all ' if not loop.first }}select {{ n }} as n{% endfor -%}
    ) as {{ power }}
    {%- endfor %}
) as numbers
    on dateadd(day, numbers.number::integer, date_trunc('year', first_date))
    < dateadd(year, 1, date_trunc('year', last_date))
{%- endmacro -%}

{#- Day of the week, 1 is Monday. -#}
{%- macro iso_day_of_week(day) -%}
{{ return(adapter.dispatch('iso_day_of_week')(day)) }}
{%- endmacro -%}

{%- macro default__iso_day_of_week(day) -%}
extract(isodow from {{ day }})::integer
{%- endmacro -%}

{%- macro redshift__iso_day_of_week(day) -%}
((extract(dow from {{ day }}) + 6) % 7 + 1)::integer
{%- endmacro -%}

{#- Condition: two rows of values are not the same, a null being a value like another. -#}
{%- macro rows_differ(row, other) -%}
{{ return(adapter.dispatch('rows_differ')(row, other)) }}
{%- endmacro -%}

{%- macro default__rows_differ(row, other) -%}
({{ row | join(', ') }}) is distinct from ({{ other | join(', ') }})
{%- endmacro -%}

{%- macro redshift__rows_differ(row, other) -%}
{{ fingerprint_of(row) }} <> {{ fingerprint_of(other) }}
{%- endmacro -%}

{#- What the tests have passed is noted in Postgres only. -#}
{%- macro redshift__enter_build() -%}
{%- endmacro -%}

{%- macro redshift__settle_builds(results) -%}
{%- endmacro -%}
