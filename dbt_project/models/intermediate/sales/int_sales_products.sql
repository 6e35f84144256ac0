{%- set attributes = ['product_line', 'msrp'] -%}
{{ sales_members('product_code', attributes) }}
