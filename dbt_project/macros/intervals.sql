{#-
    History as intervals: consecutive sightings of a wallpaper with equal values become one row, from its first
    sighting (observation_key, observed_at, run_key, page_name) to its last (last_observation_key, last_observed_at).
    A return to earlier values is a new interval.

    An incremental build folds: the interval at which a wallpaper stands is taken as if it were a sighting, and the new
    sightings go on from there, so its cost does not grow with the history. That is right only for sightings later than
    all seen before; `forget_late`, a pre-hook, takes out the intervals of wallpapers with an earlier one, and a
    wallpaper without intervals is read from its whole history.
-#}

{%- macro forget_late(observations, key='wallhaven_id') -%}
{%- if not is_rebuild() -%}
{%- set late -%}
select late.{{ key }}
from (
    select * from {{ observations }}
    where {{ in_new_batches() }}
) as late
cross join lateral (
    select known.last_observation_key from {{ this }} as known
    where known.{{ key }} = late.{{ key }}
    order by known.observation_key desc
    limit 1
) as standing
where late.observation_key <= standing.last_observation_key
{%- endset -%}
delete from {{ this }}
where {{ of_keys(late, key) }}
{%- endif -%}
{%- endmacro -%}

{#-
    number: name of the column that counts a wallpaper's intervals from 1. compare: columns that make an interval.
    carry: further columns, as the interval's first sighting has them. key: the column that says whose sighting it is.
-#}
{%- macro intervals(observations, number, compare, carry=[], key='wallhaven_id') -%}
{%- set value_columns -%}
{% for column in compare + carry %}{{ column }}, {% endfor -%}
{%- endset -%}
{%- set sighting_columns -%}
{{ key }}, observation_key, fetched_at as observed_at, run_key, page_name, {{ value_columns }}
1 as {{ number }}, observation_key as last_observation_key, fetched_at as last_observed_at
{%- endset -%}
with

new_sightings as (
    select {{ sighting_columns }} from {{ observations }}
    where {{ in_new_batches() }}
),

{% if is_rebuild() %}
sightings as (
    select * from new_sightings
),
{% else %}
standing as (
    select known.*
    from (select distinct {{ key }} from new_sightings) as seen
    cross join lateral (
        select
            {{ key }}, observation_key, observed_at, run_key, page_name, {{ value_columns }}
            {{ number }}, last_observation_key, last_observed_at
        from {{ this }} as stored
        where stored.{{ key }} = seen.{{ key }}
        order by stored.observation_key desc
        limit 1
    ) as known
),

whole_histories as (
    select {{ sighting_columns }} from {{ observations }}
    where {{ of_keys('select ' ~ key ~ ' from new_sightings except select ' ~ key ~ ' from standing', key) }}
),

sightings as (
    select * from standing
    union all
    select new_sightings.* from new_sightings
    where exists (select from standing where standing.{{ key }} = new_sightings.{{ key }})
    union all
    select * from whole_histories
),
{% endif %}

marked as (
    select
        *,
        row_number() over history = 1
        {% for column in compare -%}
        or {{ column }} is distinct from lag({{ column }}) over history
        {% endfor -%}
        as is_change
    from sightings
    window history as (partition by {{ key }} order by observation_key)
),

numbered as (
    select
        *,
        first_value({{ number }}) over history - 1
        + sum(case when is_change then 1 else 0 end) over history as change_number
    from marked
    window history as (partition by {{ key }} order by observation_key)
),

bounded as (
    select
        *,
        max(last_observation_key) over same_values as end_key,
        max(last_observed_at) over same_values as end_at
    from numbered
    window same_values as (partition by {{ key }}, change_number)
)

select
    {{ key }},
    observation_key,
    observed_at,
    run_key,
    page_name,
    {{ value_columns }}
    cast(change_number as integer) as {{ number }},
    end_key as last_observation_key,
    end_at as last_observed_at
from bounded
where is_change
{%- endmacro -%}
