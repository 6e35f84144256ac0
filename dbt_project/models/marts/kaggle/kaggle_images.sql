{{ config(materialized='table', indexes=[{'columns': ['dataset', 'name'], 'unique': true}]) }}

with

files as (
    select
        *,
        substring(name from '[^/]*$') as filename
    from {{ source('ops', 'archive_entries') }}
),

links as (
    select distinct on (record_key)
        split_part(record_key, '/images/', 1) as dataset,
        record_id as filename,
        nullif(payload ->> 'link', 'undefined') as link
    from {{ ref('int_kaggle__versions') }}
    where entity = 'images'
    order by record_key asc, observation_key desc
),

final as (
    select
        files.dataset,
        files.name,
        files.folder,
        files.filename,
        case when files.filename ~ '^[0-9]{1,18}[.]' then split_part(files.filename, '.', 1)::bigint end as product_id,
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
        round(metadata.width::numeric / metadata.height, 3) as aspect_ratio,
        metadata.brightness,
        metadata.entropy,
        metadata.colours #>> '{0,hex}' as dominant_colour,
        metadata.colours,
        metadata.exif,
        metadata.exif <> '{}' as has_exif,
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
