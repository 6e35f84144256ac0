-- Of the records that an entity lists, no more than QUARANTINE_MAX_SHARE may refer to what the source never listed:
-- beyond that it is no slip in the data, a resource came in part.

with

listed as (
    {{ listed_records() }}
),

dangling as (
    select
        entity,
        count(*) as records
    from {{ ref('jsonplaceholder_dangling') }}
    group by entity
)

select
    listed.entity,
    listed.records as listed,
    dangling.records as dangling
from listed
inner join dangling on listed.entity = dangling.entity
where dangling.records > listed.records * {{ quarantine_max_share() }}
