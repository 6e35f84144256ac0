{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        indexes=[{'columns': ['order_line_key'], 'unique': true}, {'columns': ['order_date']}],
        pre_hook=[
            "{{ apply_batches(after=['dim_products', 'dim_customers']) }}",
            "{{ forget_when_a_file_came() }}",
        ],
    )
}}

with

current_file as (
    select max(logical_time) as logical_time
    from {{ ref('stg_sales__files') }}
    {% if not is_rebuild() %}
        where not exists (select 1 from {{ this }})
    {% endif %}
),

lines as (
    select * from {{ ref('stg_sales__lines') }}
    where logical_time = (select current_file.logical_time from current_file)
),

products as (
    select * from {{ ref('dim_products') }}
),

customers as (
    select * from {{ ref('dim_customers') }}
),

final as (
    select
        lines.order_line_key,
        lines.order_number,
        lines.order_line_number,
        lines.order_date,
        lines.ship_date,
        lines.status,
        lines.product_code,
        products.product_version_key,
        lines.customer_id,
        customers.customer_version_key,
        lines.quantity_ordered,
        lines.price_each,
        lines.sales,
        lines.sales - lines.quantity_ordered * lines.price_each as sales_difference,
        lines.logical_time as file_time,
        lines.run_key
    from lines
    -- Left joins: a line without its version must be a failed test, not a line that is missing.
    left join products
        on lines.product_code = products.product_code and {{ stood_on('products', 'lines.order_date') }}
    left join customers
        on lines.customer_id = customers.customer_id and {{ stood_on('customers', 'lines.order_date') }}
)

select * from final
