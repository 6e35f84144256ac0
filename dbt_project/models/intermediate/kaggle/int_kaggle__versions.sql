{{
    config(
        materialized='table' if target.type == 'bigquery' else 'incremental',
        incremental_strategy='delete+insert',
        unique_key=['record_key', 'observation_key'],
        indexes=[
            {'columns': ['record_key', 'observation_key'], 'unique': true},
            {'columns': ['run_key']},
        ],
        pre_hook=[
            "{{ apply_batches() }}",
            "{{ forget_late(ref('stg_kaggle__records'), 'record_key') }}",
        ],
    )
}}

with

versions as (
    {{
        intervals(
            ref('stg_kaggle__records'),
            'version_number',
            ['content_hash'],
            ['entity', 'record_id', 'payload'],
            'record_key'
        )
    }}
),

final as (
    select * from versions
)

select * from final
