{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key=['product_code', 'version_number'],
        indexes=[{'columns': ['product_code', 'version_number'], 'unique': true}],
        pre_hook=["{{ apply_batches() }}", "{{ forget_unless_later() }}"],
    )
}}
{%- set attributes = ['product_line', 'msrp'] -%}

{{ sales_versions(ref('int_sales_products'), 'product_code', attributes) }}
