{%- set attributes = ['customer_name', 'city', 'country', 'territory', 'contact_last_name', 'contact_first_name'] -%}
{{ sales_members('customer_id', attributes) }}
