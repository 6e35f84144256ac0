with

sales as (
    select * from {{ ref('fct_sales') }}
),

statuses as (
    select * from {{ ref('dim_statuses') }}
),

products as (
    select * from {{ ref('dim_products') }}
),

final as (
    select
        products.product_line,
        {{ sales_measures() }}
    from sales
    inner join statuses on sales.status = statuses.status
    inner join products on sales.product_version_key = products.product_version_key
    group by products.product_line
)

select * from final
