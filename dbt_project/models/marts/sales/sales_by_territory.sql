with

sales as (
    select * from {{ ref('fct_sales') }}
),

statuses as (
    select * from {{ ref('dim_statuses') }}
),

customers as (
    select * from {{ ref('dim_customers') }}
),

final as (
    select
        customers.territory,
        {{ sales_measures() }}
    from sales
    inner join statuses on sales.status = statuses.status
    inner join customers on sales.customer_version_key = customers.customer_version_key
    group by customers.territory
)

select * from final
