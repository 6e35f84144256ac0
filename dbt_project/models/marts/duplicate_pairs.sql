{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        indexes=[
            {'columns': ['wallhaven_id_a', 'wallhaven_id_b'], 'unique': true},
            {'columns': ['wallhaven_id_b']},
        ],
        pre_hook=[
            "{{ notice_verdicts() }}",
            "{{ claim_pictures(after='int_picture_bands') }}",
            "{{ forget_pictures(['wallhaven_id_a', 'wallhaven_id_b']) }}",
        ],
        post_hook=[
            "{{ done_with_pictures() }}",
            "create index if not exists duplicate_pairs_judged on {{ this }} (wallhaven_id_a) where verdict is not null",
        ],
    )
}}

with

changed as (
    select * from {{ ref('int_picture_hashes') }}
    where {{ in_claimed_pictures() }}
),

found as (
    select
        changed.wallhaven_id as one,
        others.wallhaven_id as other
    from changed
    inner join {{ ref('int_picture_hashes') }} as others on changed.sha256 = others.sha256
    union
    select
        bands.wallhaven_id as one,
        others.wallhaven_id as other
    from {{ ref('int_picture_bands') }} as bands
    inner join {{ ref('int_picture_bands') }} as others on bands.band = others.band
    where {{ in_claimed_pictures('bands.wallhaven_id') }}
    union
    select
        wallhaven_id_a as one,
        wallhaven_id_b as other
    from ({{ judged_pairs() }}) as judged
    where {{ in_claimed_pictures('wallhaven_id_a') }} or {{ in_claimed_pictures('wallhaven_id_b') }}
),

candidates as (
    select distinct
        least(one collate "C", other) as wallhaven_id_a,
        greatest(one collate "C", other) as wallhaven_id_b
    from found
    where one <> other
),

compared as (
    select
        candidates.*,
        ones.sha256 = others.sha256 as is_exact,
        {{ distances('ones', 'others') }},
        judged.verdict
    from candidates
    inner join {{ ref('int_picture_hashes') }} as ones
        on {{ as_indexed('candidates.wallhaven_id_a') }} = ones.wallhaven_id
    inner join {{ ref('int_picture_hashes') }} as others
        on {{ as_indexed('candidates.wallhaven_id_b') }} = others.wallhaven_id
    left join ({{ judged_pairs() }}) as judged
        on
            candidates.wallhaven_id_a = judged.wallhaven_id_a
            and candidates.wallhaven_id_b = judged.wallhaven_id_b
),

final as (
    select
        wallhaven_id_a,
        wallhaven_id_b,
        case when is_exact then 0 else greatest(dhash_distance, phash_distance) end as distance,
        case
            when is_exact then 'exact'
            when {{ is_near() }} then 'near'
            else 'verdict'
        end as kind,
        verdict,
        dhash_distance,
        phash_distance,
        colour_distance
    from compared
)

select * from final
where kind <> 'verdict' or verdict is not null
