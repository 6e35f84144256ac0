{{
    config(
        materialized='table',
        enabled=target.type == 'postgres',
        indexes=[{'columns': ['picture_a', 'picture_b']}, {'columns': ['picture_b']}],
        pre_hook='set local enable_nestloop = off',
    )
}}

-- Postgres only: bits of hashes and bands are its own words (macros/duplicates.sql). What it reads was built a moment
-- ago and has no statistics, so the planner expects a row or two, and would compare every band with every other.

with

stored as (
    select
        *,
        dataset || '/' || name as picture
    from {{ ref('kaggle_images') }}
    where outcome = 'stored'
),

files as (
    select
        *,
        row_number() over (partition by sha256 order by picture collate "C") as place
    from stored
),

-- One of each bytes, by a number: that is what the many comparisons below carry.
pictures as (
    select
        sha256,
        picture,
        dhash,
        phash,
        {{ mean_colour('colours') }} as colour,
        entropy < {{ plain_entropy() }} as is_plain,
        row_number() over (order by picture collate "C")::integer as number
    from files
    where place = 1 and status = 'measured'
),

bands as (
    select
        pictures.number,
        pictures.dhash,
        pictures.phash,
        bands.band
    from pictures
    cross join lateral unnest(array[{{ bands_of('pictures.dhash', 'pictures.phash') }}]) as bands (band)
    where not pictures.is_plain
),

telling as (
    select band from bands
    group by band
    having count(*) between 2 and {{ telling_pictures() }}
),

judged as (
    select
        least(ones.number, others.number) as one,
        greatest(ones.number, others.number) as other,
        min(verdicts.verdict) as verdict
    from {{ verdicts() }} as verdicts
    inner join pictures as ones on verdicts.sha256_a = ones.sha256
    inner join pictures as others on verdicts.sha256_b = others.sha256
    where ones.number <> others.number
    group by least(ones.number, others.number), greatest(ones.number, others.number)
),

-- Judged by their hashes where they meet: of the millions that share a band few stay.
candidates as (
    select
        ones.number as one,
        others.number as other
    from telling
    inner join bands as ones on telling.band = ones.band
    inner join bands as others on telling.band = others.band and ones.number < others.number
    where
        {{ hamming('ones.dhash', 'others.dhash') }} <= {{ agreeing_bits() }}
        and {{ hamming('ones.phash', 'others.phash') }} <= {{ agreeing_bits() }}
    union
    select
        one,
        other
    from judged
),

compared as (
    select
        ones.picture as picture_a,
        others.picture as picture_b,
        {{ distances('ones', 'others') }},
        judged.verdict
    from candidates
    inner join pictures as ones on candidates.one = ones.number
    inner join pictures as others on candidates.other = others.number
    left join judged on candidates.one = judged.one and candidates.other = judged.other
),

named as (
    select
        picture_a,
        picture_b,
        greatest(dhash_distance, phash_distance) as distance,
        case
            when {{ is_near() }} then 'near'
            else 'verdict'
        end as kind,
        verdict,
        dhash_distance,
        phash_distance,
        colour_distance
    from compared
),

final as (
    select
        canonical.picture as picture_a,
        files.picture as picture_b,
        0 as distance,
        'exact' as kind,
        null as verdict,
        0 as dhash_distance,
        0 as phash_distance,
        0::real as colour_distance
    from files
    inner join files as canonical on files.sha256 = canonical.sha256 and canonical.place = 1
    where files.place > 1
    union all
    select * from named
    where kind <> 'verdict' or verdict is not null
)

select * from final
