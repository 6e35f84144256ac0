-- Every customer, the best first, under the name that the current version gives.

with

sales as (
    select * from {{ ref('fct_sales') }}
),

statuses as (
    select * from {{ ref('dim_statuses') }}
),

customers as (
    select * from {{ ref('dim_customers') }}
    where is_current
),

measured as (
    select
        customers.customer_id,
        customers.customer_name,
        customers.country,
        {{ sales_measures() }}
    from sales
    inner join statuses on sales.status = statuses.status
    inner join customers on sales.customer_id = customers.customer_id
    group by customers.customer_id, customers.customer_name, customers.country
),

final as (
    select
        row_number() over (order by revenue desc, customer_id asc) as place,
        *
    from measured
)

select * from final
