with

files as (
    select * from {{ ref('stg_sales__files') }}
),

lines as (
    select * from {{ source('sales', 'sales_lines') }}
),

final as (
    select
        files.logical_time,
        files.run_key,
        files.batch_id,
        lines.position,
        lines.record_id as order_line_key,
        {{ sales_integer('ORDERNUMBER') }} as order_number,
        {{ sales_integer('ORDERLINENUMBER') }} as order_line_number,
        {{ sales_date('ORDERDATE') }} as order_date,
        {{ sales_date('SHIPDATE') }} as ship_date,
        {{ sales_text('STATUS') }} as status,
        {{ sales_text('PRODUCTCODE') }} as product_code,
        {{ sales_text('PRODUCTLINE') }} as product_line,
        {{ sales_decimal('MSRP') }} as msrp,
        coalesce({{ sales_text('CUSTOMERID') }}, {{ sales_text('CUSTOMERNAME') }}) as customer_id,
        {{ sales_text('CUSTOMERNAME') }} as customer_name,
        {{ sales_text('CITY') }} as city,
        {{ sales_text('COUNTRY') }} as country,
        {{ sales_text('TERRITORY') }} as territory,
        {{ sales_text('CONTACTLASTNAME') }} as contact_last_name,
        {{ sales_text('CONTACTFIRSTNAME') }} as contact_first_name,
        {{ sales_integer('QUANTITYORDERED') }} as quantity_ordered,
        {{ sales_decimal('PRICEEACH') }} as price_each,
        {{ sales_decimal('SALES') }} as sales
    from files
    inner join lines on files.body_sha256 = lines.body_sha256
)

select * from final
