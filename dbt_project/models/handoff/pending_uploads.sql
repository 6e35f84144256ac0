with

candidates as (
    select * from {{ ref('wallpapers') }}
    where
        upload_status in ('pending', 'retrying')
        and num_nulls(image_url, {{ object_key('wallhaven_id', 'file_type') }}, file_size, width, height) = 0
),

compared as (
    select
        candidates.*,
        attempts.attempts,
        attempts.last_outcome,
        attempts.last_finished_at
        + {{ retry_delay('attempts.attempts', 'attempts.last_outcome') }} as next_attempt_at
    from candidates
    -- noqa: disable=LT02
    cross join lateral (
        select
            count(*)::integer as attempts,
            (array_agg(uploads.outcome order by uploads.attempt desc))[1] as last_outcome,
            max(uploads.finished_at) as last_finished_at,
            coalesce(bool_or(uploads.outcome in {{ final_outcomes() }}), false) as is_final
        from {{ source('ops', 'uploads') }} as uploads
        where uploads.wallhaven_id = candidates.wallhaven_id and uploads.reopened_at is null
    ) as attempts
    -- noqa: enable=LT02
    where
        not attempts.is_final
        and attempts.attempts < {{ upload_max_attempts() }}
        and not exists (
            select from {{ source('ops', 'tombstones') }} as tombstones
            where tombstones.wallhaven_id = candidates.wallhaven_id and tombstones.lifted_at is null
        )
),

final as (
    select
        wallhaven_id,
        image_url,
        {{ object_key('wallhaven_id', 'file_type') }} as s3_key,
        file_type,
        file_size,
        width,
        height,
        purity,
        uploaded_at,
        attempts,
        last_outcome,
        next_attempt_at
    from compared
    where next_attempt_at is null or next_attempt_at <= now()
    order by uploaded_at desc, wallhaven_id asc
)

select * from final
