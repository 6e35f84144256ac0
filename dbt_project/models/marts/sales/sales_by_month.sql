with

sales as (
    select * from {{ ref('fct_sales') }}
),

statuses as (
    select * from {{ ref('dim_statuses') }}
),

final as (
    select
        date_trunc('month', sales.order_date)::date as month_start,
        {{ sales_measures() }}
    from sales
    inner join statuses on sales.status = statuses.status
    group by date_trunc('month', sales.order_date)::date
)

select * from final
