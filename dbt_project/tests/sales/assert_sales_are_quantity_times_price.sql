{{ config(severity='warn') }}
-- What the file states as a line's amount is kept; where it is not quantity times price, this warns with the count.

select
    order_line_key,
    quantity_ordered,
    price_each,
    sales,
    sales_difference
from {{ ref('fct_sales') }}
where sales_difference <> 0
