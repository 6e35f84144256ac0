{{ config(materialized='table') }}

with

products as (
    select * from {{ ref('kaggle_product_images') }}
    where has_product
),

final as (
    {%- for dimension in ['gender', 'master_category', 'sub_category', 'article_type', 'base_colour', 'season', 'season_year', 'usage'] %}
    {%- if not loop.first %}
    union all
    {%- endif %}
    select
        dataset,
        '{{ dimension }}' as dimension,
        coalesce({{ dimension }}::text, 'unknown') as value,
        count(distinct product_id) as products,
        count(*) filter (where picture_status = 'measured') as pictures,
        round(avg(brightness)::numeric, 4) as mean_brightness
    from products
    group by dataset, {{ dimension }}
    {%- endfor %}
)

select * from final
