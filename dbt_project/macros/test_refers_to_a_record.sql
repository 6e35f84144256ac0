{#-
    A reference leads to a row, or to a record that is in quarantine: then the source has it and we do not yet. One
    whose very key cannot be read may be any.
-#}
{%- test refers_to_a_record(model, column_name, to, source_name, entity) -%}
select children.{{ column_name }}
from {{ model }} as children
where
    children.{{ column_name }} is not null
    and not exists (select 1 from {{ to }} as parents where parents.id = children.{{ column_name }})
    and not exists (
        select 1 from {{ source('ops', 'quarantine') }} as quarantine
        where
            quarantine.source = '{{ source_name }}' and quarantine.entity = '{{ entity }}'
            and quarantine.state = 'open'
            and coalesce(quarantine.record_id, children.{{ column_name }}::text) = children.{{ column_name }}::text
    )
{%- endtest -%}
