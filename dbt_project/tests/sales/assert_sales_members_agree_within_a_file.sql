{{ config(severity='warn') }}
-- Lines of the current file that state a product or customer otherwise than its latest order line there, which counts.

with

facts as (
    select
        order_line_key,
        product_code,
        customer_id,
        file_time
    from {{ ref('fct_sales') }}
),

lines as (
    select * from {{ ref('stg_sales__lines') }}
)

select
    lines.order_line_key,
    lines.product_code,
    lines.customer_id
from facts
inner join lines on facts.order_line_key = lines.order_line_key and facts.file_time = lines.logical_time
inner join {{ ref('dim_products') }} as products on facts.product_code = products.product_code and products.is_current
inner join {{ ref('dim_customers') }} as customers
    on facts.customer_id = customers.customer_id and customers.is_current
where
    {{ rows_differ(
        ['lines.product_line', 'lines.msrp'],
        ['products.product_line', 'products.msrp']
    ) }}
    or {{ rows_differ(
        ['lines.customer_name', 'lines.city', 'lines.country', 'lines.territory'],
        ['customers.customer_name', 'customers.city', 'customers.country', 'customers.territory']
    ) }}
    or {{ rows_differ(
        ['lines.contact_last_name', 'lines.contact_first_name'],
        ['customers.contact_last_name', 'customers.contact_first_name']
    ) }}
