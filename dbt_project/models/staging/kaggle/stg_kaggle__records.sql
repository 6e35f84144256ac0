-- Two datasets may number their products alike, so the dataset is part of the key.

with

records as (
    {{ record_observations('kaggle', kaggle_entities()) }}
),

final as (
    select
        records.entity,
        runs.query || '/' || records.record_key as record_key,
        records.record_id,
        records.batch_id,
        records.run_key,
        records.page_name,
        records.position,
        records.fetched_at,
        records.payload,
        records.content_hash,
        records.observation_key
    from records
    inner join {{ source('ops', 'runs') }} as runs on records.run_key = runs.run_key
)

select * from final
