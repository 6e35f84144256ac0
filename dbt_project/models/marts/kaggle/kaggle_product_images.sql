{{ config(materialized='table') }}

-- Both sides are kept: a product without a picture and a picture without a product are findings, not losses.

with

final as (
    select
        coalesce(products.dataset, images.dataset) as dataset,
        coalesce(products.id, images.product_id) as product_id,
        products.id is not null as has_product,
        images.name is not null as has_picture,
        products.gender,
        products.master_category,
        products.sub_category,
        products.article_type,
        products.base_colour,
        products.season,
        products.season_year,
        products.usage,
        products.display_name,
        images.name as picture_name,
        images.object_key,
        images.sha256,
        images.status as picture_status,
        images.width,
        images.height,
        images.aspect_ratio,
        images.brightness,
        images.dominant_colour
    from {{ ref('kaggle_products') }} as products
    full outer join {{ ref('kaggle_images') }} as images
        on products.dataset = images.dataset and products.id = images.product_id
)

select * from final
