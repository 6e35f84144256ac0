{#- The versions of each key, in the order of their numbers, tile all of time, and exactly the last one is current. -#}
{%- test versions_tile_time(model, key) -%}
select *
from (
    select
        {{ key }},
        version_number,
        valid_from,
        valid_to,
        is_current,
        row_number() over history as place,
        lag(valid_to, 1, {{ beginning_of_time() }}) over history as end_of_last,
        lead(valid_from, 1, {{ end_of_time() }}) over history as start_of_next,
        lead(version_number) over history is null as is_last
    from {{ model }}
    window history as (partition by {{ key }} order by version_number)
) as versions
where
    place <> version_number
    or valid_from >= valid_to
    or valid_from <> end_of_last
    or valid_to <> start_of_next
    or is_current <> is_last
{%- endtest -%}
