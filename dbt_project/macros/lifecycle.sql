{#- After how many answers of 404 a wallpaper is gone, and how long each has to come after the one before. -#}
{%- macro gone_confirmations() -%}
{{ env_var('GONE_CONFIRMATIONS', '3') | int }}
{%- endmacro -%}

{%- macro gone_spacing() -%}
interval '1 hour' * {{ env_var('GONE_SPACING_HOURS', '20') | float }}
{%- endmacro -%}

{#- The answers of 404 and 401 at a wallpaper's detail. is_spaced: not too soon after the one before to count. -#}
{%- macro wallhaven_denials() -%}
select
    substr(pages.page_name, 3) as wallhaven_id,
    pages.status,
    pages.fetched_at,
    pages.run_key,
    pages.page_name,
    coalesce(
        pages.fetched_at - lag(pages.fetched_at) over (
            partition by pages.page_name, pages.status order by pages.fetched_at, pages.run_key
        ) >= {{ gone_spacing() }},
        true
    ) as is_spaced
from {{ source('ops', 'pages') }} as pages
where
    pages.source = 'wallhaven'
    and pages.entity = 'wallpaper'
    and pages.status in (401, 404)
    and pages.page_name like 'w-%'
{%- endmacro -%}

{#- What certified reads of a listing found to have left it, once their run counts. -#}
{%- macro wallhaven_absences() -%}
select
    changes.record_id as wallhaven_id,
    changes.run_key,
    changes.query_key,
    certificates.last_read_at as absent_at
from {{ source('ops', 'listing_changes') }} as changes
inner join {{ source('ops', 'counted_certificates') }} as certificates on changes.run_key = certificates.run_key
where not changes.present and changes.query_key like 'wallhaven/%'
{%- endmacro -%}
