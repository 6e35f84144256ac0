{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        indexes=[
            {'columns': ['wallhaven_id'], 'unique': true},
            {'columns': ['sha256', 'wallhaven_id collate "C"'], 'unique': true},
        ],
        pre_hook=["{{ claim_pictures() }}", "{{ note_bytes() }}", "{{ forget_pictures() }}"],
        post_hook=[
            "create index if not exists int_picture_hashes_firsts on {{ this }} (sha256) where is_first",
            "{{ put_firsts_right() }}",
            "{{ done_with_pictures() }}",
        ],
    )
}}

with

stored as (
    select
        uploads.wallhaven_id,
        uploads.sha256,
        metadata.dhash,
        metadata.phash,
        {{ mean_colour('metadata.colours') }} as colour,
        coalesce(metadata.entropy < {{ plain_entropy() }}, true) as is_plain,
        coalesce(metadata.width::bigint * metadata.height, uploads.width::bigint * uploads.height) as pixels,
        wallpapers.uploaded_at
    from {{ source('ops', 'uploads') }} as uploads
    left join {{ source('ops', 'image_metadata') }} as metadata
        on uploads.sha256 = metadata.sha256 and metadata.status = 'measured'
    left join {{ ref('wallpapers') }} as wallpapers on uploads.wallhaven_id = wallpapers.wallhaven_id
    where uploads.outcome = 'stored' and uploads.lost_at is null and {{ in_claimed_pictures('uploads.wallhaven_id') }}
),

final as (
    select
        *,
        row_number() over (partition by sha256 order by wallhaven_id collate "C") = 1 as is_first
    from stored
)

select * from final
