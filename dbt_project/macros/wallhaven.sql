{#- What the two Wallhaven entities have in common. -#}

{#-
    One row for each time a record was seen. A body is stored once however often it is received, so a sighting is a
    load joined with the body's records. `observation_key` is the total order of sightings; it holds nothing that a
    replay into another database would number differently.
-#}
{%- macro wallhaven_observations(records, entity) -%}
select
    records.record_id as wallhaven_id,
    loads.batch_id,
    loads.run_key,
    loads.page_name,
    records.position,
    loads.fetched_at,
    records.payload,
    (
        to_char(loads.fetched_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US')
        || ' ' || loads.run_key
        || ' ' || loads.page_name
        || ' ' || {{ position_key('records.position') }}
    ) collate "C" as observation_key
from {{ source('ops', 'loads') }} as loads
inner join {{ records }} as records on loads.body_sha256 = records.body_sha256
where loads.source = 'wallhaven' and loads.entity = '{{ entity }}'
{%- endmacro -%}

{#- The 18 fields of an item, typed, without its thumbnails' addresses. -#}
{%- macro wallhaven_item_columns(payload='payload') -%}
{{ json_text(payload, 'url') }} as url,
{{ json_text(payload, 'short_url') }} as short_url,
{{ json_text(payload, 'path') }} as image_url,
{{ json_text(payload, 'resolution') }} as resolution,
{{ json_integer(payload, 'dimension_x', 'integer') }} as width,
{{ json_integer(payload, 'dimension_y', 'integer') }} as height,
{{ json_decimal(payload, 'ratio') }} as ratio,
{{ json_text(payload, 'category') }} as category,
{{ json_text(payload, 'purity') }} as purity,
{{ json_integer(payload, 'file_size') }} as file_size,
{{ json_text(payload, 'file_type') }} as file_type,
{{ json_text_array(payload, 'colors') }} as colors,
{{ json_integer(payload, 'views') }} as views,
{{ json_integer(payload, 'favorites') }} as favorites,
{{ json_text(payload, 'source') }} as source,
{{ json_utc_timestamp(payload, 'created_at') }} as uploaded_at
{%- endmacro -%}

{#- What describes a wallpaper: of all that is known of it, only views and favorites are left out, which always move. -#}
{%- macro wallhaven_content_columns() -%}
{{ return([
    'url', 'short_url', 'image_url', 'resolution', 'width', 'height', 'ratio', 'category', 'purity', 'file_size',
    'file_type', 'colors', 'source', 'uploaded_at',
]) }}
{%- endmacro -%}

{%- macro wallhaven_content_hash() -%}
md5(
    jsonb_build_array(
        {{ wallhaven_content_columns() | join(', ') | replace('uploaded_at', "uploaded_at at time zone 'UTC'") }}
    )::text
)
{%- endmacro -%}

{#-
    The tags of a wallpaper as an array of objects, one for each tag id and in the order of the ids: the source's own
    order says nothing, and a change of it must not look like a change of the wallpaper. What has no id is left out.
-#}
{%- macro wallhaven_tags(payload='payload') -%}
case
    when jsonb_typeof({{ payload }} -> 'tags') = 'array'
        then array(
            select distinct on ({{ json_integer('elements.tag', 'id') }}) elements.tag
            from jsonb_array_elements({{ payload }} -> 'tags') with ordinality as elements (tag, place)
            where {{ json_integer('elements.tag', 'id') }} is not null
            order by {{ json_integer('elements.tag', 'id') }}, elements.place
        )
    else '{}'
end
{%- endmacro -%}
