{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        indexes=[{'columns': ['band', 'wallhaven_id'], 'unique': true}, {'columns': ['wallhaven_id']}],
        pre_hook=["{{ claim_pictures(after='int_picture_hashes') }}", "{{ forget_pictures() }}"],
        post_hook="{{ done_with_pictures() }}",
    )
}}

with

final as (
    select
        pictures.wallhaven_id,
        bands.band
    from {{ ref('int_picture_hashes') }} as pictures
    cross join lateral unnest(array[{{ bands_of('pictures.dhash', 'pictures.phash') }}]) as bands (band)
    where pictures.is_first and not pictures.is_plain and {{ in_claimed_pictures('pictures.wallhaven_id') }}
)

select * from final
