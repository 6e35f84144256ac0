{{ config(materialized='view', access='public') }}

-- Reads tables only: a view on a staging view would vanish whenever that one is rebuilt.
-- Every part is grouped by run_key alone, so that asking for one run reads that run's rows only.

with

runs as (
    select * from {{ source('ops', 'runs') }}
),

calls as (
    select
        run_key,
        count(*) as api_calls
    from {{ source('ops', 'pages') }}
    group by run_key
),

loads as not materialized (
    select
        pages.run_key,
        loads.entity,
        loads.body_sha256,
        loads.received,
        loads.loaded,
        loads.duplicate,
        loads.quarantined
    from {{ source('ops', 'pages') }} as pages
    inner join {{ source('ops', 'loads') }} as loads on pages.page_id = loads.page_id
),

counts as (
    select
        run_key,
        sum(received) as received,
        sum(loaded) as loaded,
        sum(duplicate) as duplicate,
        sum(quarantined) as quarantined
    from loads
    group by run_key
),

records as (
    select
        loads.run_key,
        search_items.record_id
    from loads
    inner join {{ source('raw', 'wallhaven_search') }} as search_items
        on loads.entity = 'search' and loads.body_sha256 = search_items.body_sha256
    union
    select
        loads.run_key,
        wallpapers.record_id
    from loads
    inner join {{ source('raw', 'wallhaven_wallpaper') }} as wallpapers
        on loads.entity = 'wallpaper' and loads.body_sha256 = wallpapers.body_sha256
),

distinct_records as (
    select
        run_key,
        count(*) as seen
    from records
    group by run_key
),

changes as (
    {{ changes_by_run({
        'wallpaper_versions': 'wallhaven_id',
        'int_jsonplaceholder__versions': 'record_key',
        'int_randomuser__versions': 'record_key',
        'int_kaggle__versions': 'record_key',
        'dim_products': 'product_code',
        'dim_customers': 'customer_id',
    }) }}
),

versions as (
    select
        run_key,
        sum(inserted)::bigint as inserted,
        sum(updated)::bigint as updated
    from changes
    group by run_key
),

files as (
    select
        run_key,
        outcome,
        bytes
    from {{ source('ops', 'uploads') }}
    union all
    select
        run_key,
        outcome,
        bytes
    from {{ source('ops', 'archive_entries') }}
    union all
    select
        run_key,
        'stored' as outcome,
        bytes
    from {{ source('ops', 'archive_versions') }}
    union all
    select
        entries.run_key,
        'unreadable' as outcome,
        entries.bytes
    from {{ source('ops', 'archive_entries') }} as entries
    inner join {{ source('ops', 'image_metadata') }} as metadata on entries.sha256 = metadata.sha256
    where entries.outcome = 'stored' and metadata.status = 'unreadable'
),

outcomes as (
    select
        run_key,
        outcome,
        count(*) as attempts,
        sum(bytes) as bytes
    from files
    group by run_key, outcome
),

uploads as (
    select
        run_key,
        sum(attempts) filter (where outcome = 'stored') as uploaded,
        sum(bytes) filter (where outcome = 'stored') as bytes,
        sum(attempts) filter (where outcome <> 'stored') as failures,
        jsonb_object_agg(outcome, attempts) filter (where outcome <> 'stored') as failures_by_reason
    from outcomes
    group by run_key
),

reports as (
    select
        run_key,
        {{ json_integer('result', 'pending') }} as pending_after
    from {{ source('ops', 'steps') }}
    where step = 'Report'
),

final as (
    select
        runs.run_key,
        runs.run_id,
        runs.source,
        runs.query,
        runs.state,
        runs.error,
        coalesce(calls.api_calls, 0) as api_calls,
        coalesce(distinct_records.seen, counts.received - counts.quarantined, 0)::bigint as seen,
        coalesce(versions.inserted, 0) as inserted,
        coalesce(versions.updated, 0) as updated,
        coalesce(counts.received, 0) as received,
        coalesce(counts.loaded, 0) as loaded,
        coalesce(counts.duplicate, 0) as duplicate,
        coalesce(counts.quarantined, 0) as quarantined,
        coalesce(uploads.uploaded, 0)::bigint as uploaded,
        coalesce(uploads.bytes, 0)::bigint as bytes,
        coalesce(uploads.failures, 0)::bigint as failures,
        coalesce(uploads.failures_by_reason, '{}') as failures_by_reason,
        reports.pending_after,
        runs.started_at,
        runs.finished_at,
        extract(epoch from runs.finished_at - runs.started_at)::double precision as duration_seconds
    from runs
    left join calls on runs.run_key = calls.run_key
    left join counts on runs.run_key = counts.run_key
    left join distinct_records on runs.run_key = distinct_records.run_key
    left join versions on runs.run_key = versions.run_key
    left join uploads on runs.run_key = uploads.run_key
    left join reports on runs.run_key = reports.run_key
)

select * from final
