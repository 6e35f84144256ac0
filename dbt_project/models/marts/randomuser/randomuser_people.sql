{{ config(materialized='view', access='public') }}

-- What readers may see of a person. The view reads with its owner's rights; readers have none on the schema below it.

with

contacts as (
    select * from {{ ref('randomuser_contacts') }}
),

final as (
    select
        user_uuid,
        title,
        first_name,
        left(last_name, 1) || '.' as last_name,
        gender,
        left(email, 1) || '***@' || split_part(email, '@', 2) as email,
        '***' || right(phone, 2) as phone,
        extract(year from born_at at time zone 'UTC')::integer as birth_year,
        registered_at,
        city,
        state,
        country,
        nationality,
        {{ provenance_columns() }}
    from contacts
)

select * from final
