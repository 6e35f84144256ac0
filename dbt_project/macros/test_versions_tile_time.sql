{#- The versions of each key, in the order of their numbers, tile all of time, and exactly the last one is current. -#}
{%- test versions_tile_time(model, key) -%}
{%- set history = 'over (partition by ' ~ key ~ ' order by version_number)' -%}
select *
from (
    select
        {{ key }},
        version_number,
        valid_from,
        valid_to,
        is_current,
        row_number() {{ history }} as place,
        coalesce(lag(valid_to) {{ history }}, {{ beginning_of_time() }}) as end_of_last,
        coalesce(lead(valid_from) {{ history }}, {{ end_of_time() }}) as start_of_next,
        lead(version_number) {{ history }} is null as is_last
    from {{ model }}
) as versions
where
    place <> version_number
    or valid_from >= valid_to
    or valid_from <> end_of_last
    or valid_to <> start_of_next
    or is_current <> is_last
{%- endtest -%}
