-- Lines of a file that stand in quarantine: what they speak of is not gone. A null key means that it cannot be read.

with

files as (
    select * from {{ ref('stg_sales__files') }}
),

quarantine as (
    select * from {{ source('ops', 'quarantine') }}
    where source = 'sales' and entity = 'lines' and state = 'open'
),

final as (
    select
        files.logical_time,
        files.run_key,
        quarantine.position,
        {{ quarantined_cell('quarantine.record', 'PRODUCTCODE') }} as product_code,
        coalesce(
            {{ quarantined_cell('quarantine.record', 'CUSTOMERID') }},
            {{ quarantined_cell('quarantine.record', 'CUSTOMERNAME') }}
        ) as customer_id
    from files
    inner join quarantine on files.body_sha256 = quarantine.body_sha256
)

select * from final
