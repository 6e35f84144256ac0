{{ config(materialized='table') }}

with

measured as (
    select
        *,
        case
            when aspect_ratio < 0.95 then 'portrait'
            when aspect_ratio > 1.05 then 'landscape'
            else 'square'
        end as shape,
        cast(least(floor(brightness * 10), 9) as integer) as tenth
    from {{ ref('kaggle_images') }}
    where status = 'measured'
),

final as (
    select
        dataset,
        'size' as dimension,
        {{ as_text('width') }} || 'x' || {{ as_text('height') }} as value,
        count(*) as pictures,
        cast(sum(bytes) as bigint) as bytes
    from measured
    group by dataset, width, height
    union all
    select
        dataset,
        'shape' as dimension,
        shape as value,
        count(*) as pictures,
        cast(sum(bytes) as bigint) as bytes
    from measured
    group by dataset, shape
    union all
    select
        dataset,
        'mode' as dimension,
        mode as value,
        count(*) as pictures,
        cast(sum(bytes) as bigint) as bytes
    from measured
    group by dataset, mode
    union all
    select
        dataset,
        'brightness' as dimension,
        '0.' || {{ as_text('tenth') }} as value,
        count(*) as pictures,
        cast(sum(bytes) as bigint) as bytes
    from measured
    group by dataset, tenth
)

select * from final
