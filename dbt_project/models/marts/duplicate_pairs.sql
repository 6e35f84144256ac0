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
            "{{ ask_the_bands() }}",
        ],
        post_hook=[
            "{{ done_with_pictures() }}",
            "create index if not exists duplicate_pairs_judged on {{ this }} (wallhaven_id_a) where verdict is not null",
        ],
    )
}}

-- The first of each bytes stands for all: every other one pairs with it, and it alone with what is near or judged.

with

found as (
    select
        copies.wallhaven_id as one,
        firsts.wallhaven_id as other
    from {{ ref('int_picture_hashes') }} as copies
    inner join {{ ref('int_picture_hashes') }} as firsts on copies.sha256 = firsts.sha256 and firsts.is_first
    where not copies.is_first and {{ in_claimed_pictures('copies.wallhaven_id') }}
    union
    select
        copies.wallhaven_id as one,
        firsts.wallhaven_id as other
    from {{ ref('int_picture_hashes') }} as firsts
    inner join {{ ref('int_picture_hashes') }} as copies on firsts.sha256 = copies.sha256 and not copies.is_first
    where firsts.is_first and {{ in_claimed_pictures('firsts.wallhaven_id') }}
    union
    select
        one,
        other
    from ({{ sharing_bands() }}) as near_ones
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
