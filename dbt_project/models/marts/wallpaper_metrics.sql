{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key=['wallhaven_id', 'observation_key'],
        indexes=[{'columns': ['wallhaven_id', 'observation_key'], 'unique': true}],
        pre_hook=["{{ apply_batches() }}", "{{ forget_late(ref('int_wallpaper_observations')) }}"],
    )
}}

with

metrics as (
    {{ intervals(ref('int_wallpaper_observations'), 'reading_number', ['views', 'favorites']) }}
),

final as (
    select * from metrics
)

select * from final
