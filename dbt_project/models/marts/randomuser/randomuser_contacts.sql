{{
    config(
        schema='draenei_restricted',
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='user_uuid',
        indexes=[{'columns': ['user_uuid'], 'unique': true}],
        pre_hook="{{ apply_batches(after=['int_randomuser__versions']) }}",
    )
}}

with

standing as (
    {{ standing_records(ref('stg_randomuser__users'), ref('int_randomuser__versions'), 'users') }}
),

final as (
    select
        record_id::uuid as user_uuid,
        payload -> 'login' ->> 'username' as username,
        payload -> 'name' ->> 'title' as title,
        payload -> 'name' ->> 'first' as first_name,
        payload -> 'name' ->> 'last' as last_name,
        payload ->> 'gender' as gender,
        lower(payload ->> 'email') as email,
        payload ->> 'phone' as phone,
        payload ->> 'cell' as cell,
        (payload -> 'dob' ->> 'date')::timestamptz as born_at,
        (payload -> 'registered' ->> 'date')::timestamptz as registered_at,
        payload -> 'location' -> 'street' ->> 'number' as street_number,
        payload -> 'location' -> 'street' ->> 'name' as street,
        payload -> 'location' ->> 'postcode' as postcode,
        payload -> 'location' ->> 'city' as city,
        payload -> 'location' ->> 'state' as state,
        payload -> 'location' ->> 'country' as country,
        (payload -> 'location' -> 'coordinates' ->> 'latitude')::numeric as latitude,
        (payload -> 'location' -> 'coordinates' ->> 'longitude')::numeric as longitude,
        payload -> 'location' -> 'timezone' ->> 'offset' as timezone_offset,
        payload ->> 'nat' as nationality,
        payload -> 'picture' ->> 'large' as picture_url,
        {{ provenance_columns() }}
    from standing
)

select * from final
