{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        indexes=[{'columns': ['wallhaven_id'], 'unique': true}, {'columns': ['cluster_id']}],
        pre_hook=[
            "{{ claim_pictures(after='duplicate_pairs') }}",
            "{{ claim_touched_clusters() }}",
            "{{ forget_pictures() }}",
        ],
        post_hook="{{ done_with_pictures() }}",
    )
}}

-- Touched clusters are claimed whole, so no edge leads out of what is read here. Of the same bytes the first alone is
-- looked at; the others follow it.

with recursive

pairs as (
    select * from {{ ref('duplicate_pairs') }}
    where {{ in_claimed_pictures('wallhaven_id_a') }}
),

edges as (
    select
        wallhaven_id_a as one,
        wallhaven_id_b as other
    from pairs
    where kind <> 'exact' and verdict is distinct from 'different'
    union all
    select
        wallhaven_id_b as one,
        wallhaven_id_a as other
    from pairs
    where kind <> 'exact' and verdict is distinct from 'different'
),

copies as (
    select
        wallhaven_id_a as first_id,
        wallhaven_id_b as wallhaven_id
    from pairs
    where kind = 'exact'
),

-- From each picture that has no neighbour before it: every component holds one, most hold one only.
reached (root, wallhaven_id) as (
    select
        one as root,
        one as wallhaven_id
    from edges
    group by one
    having min(other collate "C") > one collate "C"
    union
    select
        reached.root,
        edges.other as wallhaven_id
    from reached
    inner join edges on reached.wallhaven_id = edges.one
),

components as (
    select
        wallhaven_id collate "C" as wallhaven_id,
        min(root collate "C") as component
    from (
        select
            root,
            wallhaven_id
        from reached
        union all
        select
            first_id as root,
            first_id as wallhaven_id
        from copies
    ) as firsts
    group by wallhaven_id
),

{{ parted_components() }},

firsts as (
    select
        components.wallhaven_id,
        components.component,
        coalesce(parted.part, 0) as part
    from components
    left join parted on components.wallhaven_id = parted.wallhaven_id
),

clustered as (
    select
        wallhaven_id,
        component,
        part
    from firsts
    union all
    select
        copies.wallhaven_id,
        firsts.component,
        firsts.part
    from copies
    inner join firsts on copies.first_id = firsts.wallhaven_id
),

final as (
    select
        clustered.wallhaven_id,
        min(clustered.wallhaven_id) over cluster_of as cluster_id,
        row_number() over (
            partition by clustered.component, clustered.part
            order by
                pictures.pixels desc nulls last, pictures.uploaded_at asc nulls last, clustered.wallhaven_id asc
        ) = 1 as is_canonical,
        count(*) over cluster_of as members
    from clustered
    inner join {{ ref('int_picture_hashes') }} as pictures
        on {{ as_indexed('clustered.wallhaven_id') }} = pictures.wallhaven_id
    window cluster_of as (partition by clustered.component, clustered.part)
)

select
    wallhaven_id,
    cluster_id,
    is_canonical
from final
where members > 1
