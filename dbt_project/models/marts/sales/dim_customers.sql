{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key=['customer_id', 'version_number'],
        indexes=[{'columns': ['customer_id', 'version_number'], 'unique': true}],
        pre_hook=["{{ apply_batches() }}", "{{ forget_unless_later() }}"],
    )
}}
{%- set attributes = ['customer_name', 'city', 'country', 'territory', 'contact_last_name', 'contact_first_name'] -%}

{{ sales_versions(ref('int_sales_customers'), 'customer_id', attributes) }}
