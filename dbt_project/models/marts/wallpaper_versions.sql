{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key=['wallhaven_id', 'observation_key'],
        indexes=[
            {'columns': ['wallhaven_id', 'observation_key'], 'unique': true},
            {'columns': ['run_key']},
        ],
        pre_hook=["{{ apply_batches() }}", "{{ forget_late(ref('int_wallpaper_observations')) }}"],
        post_hook="{{ index_later_versions() }}",
    )
}}

with

versions as (
    {{ intervals(ref('int_wallpaper_observations'), 'version_number', ['content_hash'], wallhaven_content_columns()) }}
),

final as (
    select * from versions
)

select * from final
