{#- What a file of sales says, typed. The schema let in only cells that fit, so the casts cannot fail. -#}

{%- macro sales_text(field) -%}
{{ json_cell('lines.payload', field) }}
{%- endmacro -%}

{%- macro sales_integer(field) -%}
({{ sales_text(field) }})::bigint
{%- endmacro -%}

{%- macro sales_decimal(field) -%}
({{ sales_text(field) }})::numeric(14, 4)
{%- endmacro -%}

{%- macro sales_date(field) -%}
({{ sales_text(field) }})::date
{%- endmacro -%}

{#- The logical time of a run: its run id is a minute in UTC, '2026-11-21T07:00'. -#}
{%- macro utc_minute(run_id) -%}
(replace({{ run_id }}, 'T', ' ') || ':00+00')::timestamptz
{%- endmacro -%}

{#- Where the first version of a key begins and the current one ends: dates that every warehouse can hold. -#}
{%- macro beginning_of_time() -%}
'0001-01-01 00:00:00+00'::timestamptz
{%- endmacro -%}

{%- macro end_of_time() -%}
'9999-12-31 00:00:00+00'::timestamptz
{%- endmacro -%}

{#-
    One row for each member of a dimension in each file: key and attributes as its latest order line has them, should
    the lines of one file disagree. `fingerprint` is equal when all attributes are.
-#}
{%- macro sales_members(key, attributes) -%}
with

lines as (
    select * from {{ ref('stg_sales__lines') }}
),

ranked as (
    select
        logical_time,
        run_key,
        batch_id,
        {{ key }},
        {{ attributes | join(', ') }},
        {{ fingerprint_of(attributes) }} as fingerprint,
        row_number() over (
            partition by logical_time, {{ key }}
            order by order_date desc, order_number desc, order_line_number desc
        ) as place
    from lines
),

final as (
    select
        logical_time,
        run_key,
        batch_id,
        {{ key }},
        {{ attributes | join(', ') }},
        fingerprint
    from ranked
    where place = 1
)

select * from final
{%- endmacro -%}

{#-
    Pre-hook of a dimension: empties it when a new file is not later than every file that it was made of, so that the
    model reads all files again. A file that comes late, or is driven again, may change what stands between two others.
-#}
{%- macro forget_unless_later() -%}
{%- if not is_rebuild() -%}
delete from {{ this }}
where exists (
    select 1 from {{ ref('stg_sales__files') }} as new_files
    where
        {{ in_new_batches() }}
        and (
            exists (select 1 from {{ this }} as versions where versions.observed_at >= new_files.logical_time)
            or exists (
                select 1 from {{ ref('stg_sales__files') }} as known_files
                inner join {{ source('ops', 'applied_batches') }} as applied
                    on known_files.batch_id = applied.batch_id and applied.model = '{{ this.identifier }}'
                where
                    known_files.logical_time >= new_files.logical_time
                    and applied.invocation_id <> '{{ invocation_id }}'
            )
        )
)
{%- endif -%}
{%- endmacro -%}

{#-
    The versions of a dimension's members (slowly changing, type 2) that new files open or close. Per key they tile all
    of time: the first one begins at the beginning of time, the current one ends at its end, and an absence from a file
    is a version too (`is_deleted`), with the attributes that the key had. A fold: the current version stands for all
    earlier files, so the cost is that of the new ones. An absence counts only if no line in quarantine may be the key's.
-#}
{%- macro sales_versions(members, key, attributes) -%}
{%- set columns = key ~ ', ' ~ attributes | join(', ') -%}
{%- set history = '(partition by ' ~ key ~ ' order by logical_time)' -%}
with

files as (
    select
        logical_time,
        run_key
    from {{ ref('stg_sales__files') }}
    where {{ in_new_batches() }}{% if not is_rebuild() %} or not exists (select 1 from {{ this }}){% endif %}
),

members as (
    select
        logical_time,
        {{ columns }},
        fingerprint
    from {{ members }}
    where {{ among("logical_time", "select files.logical_time from files") }}
),

unread_lines as (
    select * from {{ ref('stg_sales__unread_lines') }}
    where {{ among("logical_time", "select files.logical_time from files") }}
),

standing as (
    {% if is_rebuild() -%}
    select
        logical_time,
        {{ columns }},
        fingerprint,
        '' as run_key,
        1 as version_number
    from members
    where false
    {%- else -%}
    select
        observed_at as logical_time,
        {{ columns }},
        fingerprint,
        run_key,
        version_number
    from {{ this }}
    where is_current
    {%- endif %}
),

keys as (
    select
        {{ key }},
        min(logical_time) as known_since
    from (
        select {{ key }}, logical_time from standing
        union all
        select {{ key }}, logical_time from members
    ) as known
    group by {{ key }}
),

sightings as (
    select * from standing
    union all
    select
        files.logical_time,
        keys.{{ key }},
        {% for attribute in attributes -%}
        members.{{ attribute }},
        {% endfor -%}
        members.fingerprint,
        files.run_key,
        1 as version_number
    from keys
    inner join files on files.logical_time >= keys.known_since
    left join members on keys.{{ key }} = members.{{ key }} and files.logical_time = members.logical_time
    where
        members.fingerprint is not null
        or not exists (
            select 1 from unread_lines
            where
                unread_lines.logical_time = files.logical_time
                and (unread_lines.{{ key }} = keys.{{ key }} or unread_lines.{{ key }} is null)
        )
),

marked as (
    select
        *,
        row_number() over {{ history }} = 1
        or coalesce(fingerprint, '') <> coalesce(lag(fingerprint) over {{ history }}, '') as is_change
    from sightings
),

changes as (
    select
        *,
        row_number() over {{ history }} as place,
        first_value(version_number) over (
            partition by {{ key }} order by logical_time rows unbounded preceding
        ) as first_number,
        {% for attribute in attributes -%}
        lag({{ attribute }}) over {{ history }} as last_{{ attribute }},
        {% endfor -%}
        lead(logical_time) over {{ history }} as next_time
    from marked
    where is_change
),

versions as (
    select
        {{ key }},
        (first_number + place - 1)::integer as version_number,
        {% for attribute in attributes -%}
        case when fingerprint is null and place > 1 then last_{{ attribute }} else {{ attribute }} end as {{ attribute }},
        {% endfor -%}
        fingerprint is null as is_deleted,
        logical_time as observed_at,
        next_time,
        fingerprint,
        run_key,
        place,
        count(*) over (partition by {{ key }}) as changes
    from changes
)

select
    {{ key }} || '#' || version_number as {{ key | replace('_id', '') | replace('_code', '') }}_version_key,
    {{ key }},
    version_number,
    {{ attributes | join(', ') }},
    is_deleted,
    case when version_number = 1 then {{ beginning_of_time() }} else observed_at end as valid_from,
    coalesce(next_time, {{ end_of_time() }}) as valid_to,
    next_time is null as is_current,
    observed_at,
    fingerprint,
    run_key
from versions
where changes > 1 or not exists (select 1 from standing where standing.{{ key }} = versions.{{ key }})
{%- endmacro -%}

{#- Pre-hook of the fact: the current file replaces the last one whole, but only when some file came in. -#}
{%- macro forget_when_a_file_came() -%}
{%- if not is_rebuild() -%}
delete from {{ this }}
where exists (select 1 from {{ ref('stg_sales__files') }} where {{ in_new_batches() }})
{%- endif -%}
{%- endmacro -%}

{#- Condition: the version that stood when the day of a date ended. Versions tile time, so it is exactly one. -#}
{%- macro stood_on(version, date) -%}
{{ version }}.valid_from < {{ end_of_day(date) }} and {{ version }}.valid_to >= {{ end_of_day(date) }}
{%- endmacro -%}

{%- macro end_of_day(date) -%}
(({{ date }} + 1)::timestamp at time zone 'UTC')
{%- endmacro -%}

{#- What every summary of sales counts. Revenue leaves out cancelled lines. -#}
{%- macro sales_measures() -%}
count(*) as lines,
count(distinct sales.order_number) as orders,
sum(sales.quantity_ordered) as quantity,
coalesce(sum(case when statuses.is_revenue then sales.sales end), 0) as revenue,
coalesce(sum(case when not statuses.is_revenue then sales.sales end), 0) as cancelled
{%- endmacro -%}
