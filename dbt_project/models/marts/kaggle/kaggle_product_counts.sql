{{ config(materialized='table') }}

with

products as (
    select * from {{ ref('kaggle_product_images') }}
    where has_product
),

qualities as (
    {%- for quality in [
        'gender', 'master_category', 'sub_category', 'article_type', 'base_colour', 'season', 'season_year', 'usage'
    ] %}
        {%- if not loop.first %}
            union all
        {%- endif %}
        select
            dataset,
            product_id,
            picture_status,
            brightness,
            '{{ quality }}' as dimension,
            coalesce({{ as_text(quality) }}, 'unknown') as value
        from products
    {%- endfor %}
),

final as (
    select
        dataset,
        dimension,
        value,
        count(distinct product_id) as products,
        sum(case when picture_status = 'measured' then 1 else 0 end) as pictures,
        round(cast(avg(brightness) as numeric), 4) as mean_brightness
    from qualities
    group by dataset, dimension, value
)

select * from final
