{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='status',
        indexes=[{'columns': ['status'], 'unique': true}],
        pre_hook="{{ apply_batches() }}",
    )
}}

with

seen as (
    select
        status,
        min(logical_time) as first_seen_at
    from {{ ref('stg_sales__lines') }}
    where {{ in_new_batches() }}
    group by status
    {% if not is_rebuild() %}
        union all
        select
            status,
            first_seen_at
        from {{ this }}
    {% endif %}
),

final as (
    select
        status,
        -- A cancelled line is no revenue; every other status stands for money that was or will be asked for.
        status <> 'Cancelled' as is_revenue,
        min(first_seen_at) as first_seen_at
    from seen
    group by status
)

select * from final
