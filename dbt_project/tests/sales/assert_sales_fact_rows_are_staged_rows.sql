-- The fact holds the lines of the current file, each once, none left out by a join.

with

staged as (
    select
        order_line_key,
        logical_time,
        sales
    from {{ ref('stg_sales__lines') }}
    where logical_time = (select max(files.logical_time) from {{ ref('stg_sales__files') }} as files)
),

facts as (
    select
        order_line_key,
        file_time as logical_time,
        sales
    from {{ ref('fct_sales') }}
)

select
    coalesce(staged.order_line_key, facts.order_line_key) as order_line_key,
    staged.logical_time as staged_at,
    facts.logical_time as fact_at
from staged
full join facts using (order_line_key)
where
    staged.order_line_key is null
    or facts.order_line_key is null
    or {{ rows_differ(['staged.logical_time', 'staged.sales'], ['facts.logical_time', 'facts.sales']) }}
