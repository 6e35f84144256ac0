{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        indexes=[{'columns': ['wallhaven_id'], 'unique': true}],
        pre_hook=["{{ claim_pictures(after='int_picture_hashes') }}", "{{ forget_pictures() }}"],
        post_hook=[
            "create index if not exists int_picture_bands_gin on {{ this }} using gin (bands) with (fastupdate = off)",
            "{{ done_with_pictures() }}",
        ],
    )
}}

-- An index of arrays keeps each band once: a row and an index entry for each would be twice as large.

with

final as (
    select
        wallhaven_id,
        array[{{ bands_of('dhash', 'phash') }}] as bands
    from {{ ref('int_picture_hashes') }}
    where is_first and not is_plain and {{ in_claimed_pictures() }}
)

select * from final
