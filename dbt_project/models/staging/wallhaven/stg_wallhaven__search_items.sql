with

observations as (
    {{ wallhaven_observations(source('raw', 'wallhaven_search'), 'search') }}
),

typed as (
    select
        wallhaven_id,
        batch_id,
        run_key,
        page_name,
        position,
        fetched_at,
        observation_key,
        {{ wallhaven_item_columns() }}
    from observations
),

final as (
    select
        *,
        {{ wallhaven_content_hash() }} as content_hash
    from typed
)

select * from final
