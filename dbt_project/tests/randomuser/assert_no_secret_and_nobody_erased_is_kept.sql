-- Passwords, salts and hashes end before the warehouse; whoever was erased is in no table.

select record_id
from {{ source('randomuser', 'randomuser_users') }}
where
    payload -> 'login' ?| array['password', 'salt', 'md5', 'sha1', 'sha256']
    {%- if not reads_whole_tables() %}
        and {{ of_untested_bodies() }}
    {%- endif %}

union all

select users.record_id
from {{ source('randomuser', 'randomuser_users') }} as users
inner join {{ source('ops', 'erasures') }} as erasures
    on erasures.source = 'randomuser' and users.record_id = erasures.record_id

union all

select contacts.user_uuid::text as record_id
from {{ ref('randomuser_contacts') }} as contacts
inner join {{ source('ops', 'erasures') }} as erasures
    on erasures.source = 'randomuser' and contacts.user_uuid = erasures.record_id::uuid
