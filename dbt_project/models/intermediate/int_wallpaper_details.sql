{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key=['wallhaven_id', 'observation_key'],
        indexes=[{'columns': ['wallhaven_id', 'observation_key'], 'unique': true}],
        pre_hook=["{{ apply_batches() }}", "{{ forget_late(ref('stg_wallhaven__wallpapers')) }}"],
    )
}}

with

details as (
    {{
        intervals(
            ref('stg_wallhaven__wallpapers'), 'details_number', ['details_hash'], ['uploader', 'uploader_group', 'tags']
        )
    }}
),

final as (
    select * from details
)

select * from final
