{#-
    CTEs. Components in which people told two pictures apart, and only those, are put together anew: edge by edge, what
    people called the same first, then by distance; an edge that would bring such two together is left out, so that no
    chain of near pictures outvotes a person. Reads pairs, and components, where the first of each bytes stands for all;
    gives parted (wallhaven_id, part).
-#}
{%- macro parted_components() -%}
contested as (
    select distinct components.component
    from pairs
    inner join components on pairs.wallhaven_id_a = components.wallhaven_id
    inner join components as others on pairs.wallhaven_id_b = others.wallhaven_id
    where pairs.verdict = 'different' and components.component = others.component
),

nodes as (
    select
        components.component,
        components.wallhaven_id,
        row_number() over (
            partition by components.component order by components.wallhaven_id collate "C"
        )::integer as node
    from components
    inner join contested on components.component = contested.component
),

links as (
    select
        ones.component,
        ones.node as one,
        others.node as other,
        pairs.verdict,
        row_number() over (
            partition by ones.component, pairs.verdict is not distinct from 'different'
            order by
                pairs.verdict nulls last, pairs.kind, pairs.distance, pairs.dhash_distance + pairs.phash_distance,
                pairs.wallhaven_id_a collate "C", pairs.wallhaven_id_b collate "C"
        ) as step
    from pairs
    inner join nodes as ones on pairs.wallhaven_id_a = ones.wallhaven_id
    inner join nodes as others on pairs.wallhaven_id_b = others.wallhaven_id
    where ones.component = others.component
),

merged (component, step, labels) as (
    select
        component,
        0::bigint as step,
        array_agg(node order by node) as labels
    from nodes
    group by component
    union all
    select
        merged.component,
        links.step,
        case
            when exists (
                select from links as apart
                where
                    apart.component = merged.component
                    and apart.verdict = 'different'
                    and (merged.labels[apart.one], merged.labels[apart.other]) in (
                        (merged.labels[links.one], merged.labels[links.other]),
                        (merged.labels[links.other], merged.labels[links.one])
                    )
            ) then merged.labels
            else array_replace(merged.labels, merged.labels[links.other], merged.labels[links.one])
        end as labels
    from merged
    inner join links
        on
            merged.component = links.component
            and merged.step + 1 = links.step
            and links.verdict is distinct from 'different'
),

parted as (
    select
        nodes.wallhaven_id,
        finished.labels[nodes.node] as part
    from (select distinct on (component) * from merged order by component, step desc) as finished
    inner join nodes on finished.component = nodes.component
)
{%- endmacro -%}
