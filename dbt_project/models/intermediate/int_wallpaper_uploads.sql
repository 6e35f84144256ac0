with

attempts as (
    select
        *,
        outcome = 'stored' and lost_at is null as is_stored,
        reopened_at is null as is_counted,
        reopened_at is null and outcome in {{ final_outcomes() }} as is_final
    from {{ source('ops', 'uploads') }}
),

per_wallpaper as (
    select
        wallhaven_id,
        count(*) filter (where is_counted)::integer as attempts,
        max(reopened_at) as reopened_at,
        max(s3_key) filter (where is_stored) as s3_key,
        max(sha256) filter (where is_stored) as sha256,
        max(finished_at) filter (where is_stored) as stored_at,
        array_agg(outcome order by attempt) filter (where is_final) as final_outcomes,
        array_agg(finished_at order by attempt) filter (where is_final) as final_at,
        array_agg(finished_at order by attempt) filter (where is_counted) as counted_at
    from attempts
    group by wallhaven_id
),

judged as (
    select
        *,
        case
            when stored_at is not null then 'stored'
            when final_outcomes is not null then final_outcomes[1]
            when attempts >= {{ upload_max_attempts() }} then 'given_up'
            when attempts > 0 then 'retrying'
            else 'pending'
        end as upload_status
    from per_wallpaper
),

final as (
    select
        wallhaven_id,
        upload_status,
        attempts as upload_attempts,
        s3_key,
        sha256,
        case upload_status
            when 'stored' then stored_at
            when 'given_up' then counted_at[{{ upload_max_attempts() }}]
            when 'retrying' then counted_at[1]
            when 'pending' then reopened_at
            else final_at[1]
        end as status_changed_at
    from judged
)

select * from final
