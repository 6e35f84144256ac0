{{ config(materialized='table') }}

with

products as (
    select * from {{ ref('kaggle_product_images') }}
    where has_product
),

qualities as (
    select
        products.dataset,
        products.product_id,
        products.picture_status,
        products.brightness,
        qualities.dimension,
        coalesce(qualities.value, 'unknown') as value
    from products
    cross join lateral (
        values
        ('gender', products.gender),
        ('master_category', products.master_category),
        ('sub_category', products.sub_category),
        ('article_type', products.article_type),
        ('base_colour', products.base_colour),
        ('season', products.season),
        ('season_year', products.season_year::text),
        ('usage', products.usage)
    ) as qualities (dimension, value)
),

final as (
    select
        dataset,
        dimension,
        value,
        count(distinct product_id) as products,
        count(*) filter (where picture_status = 'measured') as pictures,
        round(avg(brightness)::numeric, 4) as mean_brightness
    from qualities
    group by dataset, dimension, value
)

select * from final
