{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='wallhaven_id',
        indexes=[{'columns': ['wallhaven_id'], 'unique': true}],
        pre_hook=[
            "{{ apply_batches(after=['wallpaper_versions', 'wallpaper_metrics', 'int_wallpaper_details']) }}",
            "{{ claim_uploads() }}",
        ],
        post_hook=["{{ index_work_lists() }}", "{{ count_upload_statuses() }}"],
    )
}}

with

changed as (
    {{ changed_wallpapers() }}
),

final as (
    select
        versions.wallhaven_id,
        {% for column in wallhaven_content_columns() %}
            versions.{{ column }},
        {% endfor %}
        metrics.views,
        metrics.favorites,
        details.tags,
        details.uploader,
        uploads.s3_key,
        uploads.sha256,
        case
            when takedowns.stands then 'taken_down'
            else coalesce(uploads.upload_status, 'pending')
        end as upload_status,
        coalesce(uploads.upload_attempts, 0) as upload_attempts,
        first_versions.observed_at as first_seen_at,
        versions.last_observed_at as last_seen_at,
        greatest(
            versions.observed_at, details.observed_at, uploads.status_changed_at, takedowns.changed_at
        ) as updated_at,
        metrics.observed_at as metrics_updated_at,
        details.last_observed_at as details_fetched_at,
        first_versions.run_key as first_run_key,
        versions.run_key,
        versions.page_name
    from changed
    cross join lateral ({{ one_row_of(ref('wallpaper_versions')) }}) as versions
    cross join lateral ({{ one_row_of(ref('wallpaper_versions'), 'first') }}) as first_versions
    cross join lateral ({{ one_row_of(ref('wallpaper_metrics')) }}) as metrics
    left join lateral ({{ one_row_of(ref('int_wallpaper_details')) }}) as details on true
    left join lateral ({{ uploads_of_one(ref('int_wallpaper_uploads')) }}) as uploads on true
    left join lateral (
        select
            bool_or(tombstones.lifted_at is null) as stands,
            max(coalesce(tombstones.lifted_at, tombstones.taken_down_at)) as changed_at
        from {{ source('ops', 'tombstones') }} as tombstones
        where tombstones.wallhaven_id = changed.wallhaven_id
    ) as takedowns on true
)

select * from final
