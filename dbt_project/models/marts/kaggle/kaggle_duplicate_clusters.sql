{{
    config(
        materialized='table',
        enabled=target.type == 'postgres',
        indexes=[{'columns': ['picture']}, {'columns': ['cluster_id']}],
    )
}}

-- Of the same bytes; what is only near may be another product, and stands in the pairs for people to judge.

with

copies as (
    select
        picture_a as cluster_id,
        picture_b as picture
    from {{ ref('kaggle_duplicate_pairs') }}
    where kind = 'exact'
),

members as (
    select
        cluster_id,
        cluster_id as picture
    from copies
    union
    select
        cluster_id,
        picture
    from copies
),

final as (
    select
        picture,
        cluster_id,
        picture = cluster_id as is_canonical
    from members
)

select * from final
