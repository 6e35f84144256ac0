{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='id',
        indexes=[{'columns': ['id'], 'unique': true}],
        pre_hook="{{ apply_batches(after=['int_jsonplaceholder__versions']) }}",
        post_hook="{{ tell_what_is_listed('users') }}",
    )
}}

with

standing as (
    {{ jsonplaceholder_standing('users') }}
),

final as (
    select
        record_id::bigint as id,
        payload ->> 'name' as name,
        payload ->> 'username' as username,
        lower(payload ->> 'email') as email,
        payload ->> 'phone' as phone,
        payload ->> 'website' as website,
        payload -> 'address' ->> 'street' as street,
        payload -> 'address' ->> 'suite' as suite,
        payload -> 'address' ->> 'city' as city,
        payload -> 'address' ->> 'zipcode' as zipcode,
        (payload -> 'address' -> 'geo' ->> 'lat')::numeric as latitude,
        (payload -> 'address' -> 'geo' ->> 'lng')::numeric as longitude,
        payload -> 'company' ->> 'name' as company_name,
        payload -> 'company' ->> 'catchPhrase' as company_catch_phrase,
        payload -> 'company' ->> 'bs' as company_bs,
        {{ provenance_columns() }},
        true as is_listed
    from standing
)

select * from final
