{{ config(severity='warn') }}
-- The source contradicts itself and we cannot mend it: kept, named one by one, counted.

select
    entity,
    record_id,
    reason
from {{ ref('jsonplaceholder_dangling') }}
