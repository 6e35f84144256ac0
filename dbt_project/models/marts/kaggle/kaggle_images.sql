{{ config(materialized='table', indexes=[{'columns': ['dataset', 'name'], 'unique': true}]) }}

with

files as (
    select
        *,
        {{ last_segment('name') }} as filename
    from {{ source('ops', 'archive_entries') }}
),

link_versions as (
    select
        {{ text_before('record_key', '/images/') }} as dataset,
        record_id as filename,
        nullif({{ json_field('payload', 'link') }}, 'undefined') as link,
        row_number() over (partition by record_key order by observation_key desc) as age
    from {{ ref('int_kaggle__versions') }}
    where entity = 'images'
),

links as (
    select * from link_versions
    where age = 1
),

final as (
    select
        files.dataset,
        files.name,
        files.folder,
        files.filename,
        {{ number_of_file('files.filename') }} as product_id,
        files.outcome,
        files.reason,
        files.object_key,
        files.sha256,
        files.bytes,
        coalesce(metadata.status, 'not measured') as status,
        metadata.reason as unreadable_because,
        metadata.format,
        metadata.mode,
        metadata.width,
        metadata.height,
        round(cast(metadata.width as numeric) / metadata.height, 3) as aspect_ratio,
        metadata.brightness,
        metadata.entropy,
        {{ first_colour('metadata.colours') }} as dominant_colour,
        metadata.colours,
        metadata.exif,
        {{ json_holds_something('metadata.exif') }} as has_exif,
        metadata.dhash,
        metadata.phash,
        links.link,
        files.run_key
    from files
    left join {{ source('ops', 'image_metadata') }} as metadata on files.sha256 = metadata.sha256
    left join links on files.dataset = links.dataset and files.filename = links.filename
    where files.lost_at is null
)

select * from final
