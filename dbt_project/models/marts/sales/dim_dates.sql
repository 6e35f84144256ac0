-- Every day of every year that a line of the current file was ordered or shipped in.

with

sales as (
    select
        order_date,
        ship_date
    from {{ ref('fct_sales') }}
),

bounds as (
    select
        least(min(order_date), min(ship_date)) as first_date,
        greatest(max(order_date), max(ship_date)) as last_date
    from sales
),

days as (
    {{ days_of_years('bounds') }}
),

final as (
    select
        date_day,
        extract(year from date_day)::integer as year,
        extract(quarter from date_day)::integer as quarter,
        extract(month from date_day)::integer as month,
        extract(day from date_day)::integer as day_of_month,
        {{ iso_day_of_week('date_day') }} as day_of_week,
        extract(week from date_day)::integer as iso_week,
        {{ iso_day_of_week('date_day') }} >= 6 as is_weekend,
        date_trunc('month', date_day)::date as month_start
    from days
)

select * from final
