{#- After how many answers of 404 a wallpaper is gone, and how long each has to come after the one before. -#}
{%- macro gone_confirmations() -%}
{{ env_var('GONE_CONFIRMATIONS', '3') | int }}
{%- endmacro -%}

{%- macro gone_spacing() -%}
interval '1 hour' * {{ env_var('GONE_SPACING_HOURS', '20') | float }}
{%- endmacro -%}

{#-
    The answers of 404 and 401 at a wallpaper's detail. is_spaced: not too soon after the one before to count.
    of: SQL that is one wallpaper's id, for its answers alone. The id's own expression has an index, and partitions the
    window, so that a condition on some ids gets there too.
-#}
{%- macro wallhaven_denials(of=none) -%}
select
    substr(pages.page_name, 3) as wallhaven_id,
    pages.status,
    pages.fetched_at,
    pages.run_key,
    pages.page_name,
    coalesce(
        pages.fetched_at - lag(pages.fetched_at) over (
            partition by substr(pages.page_name, 3), pages.status order by pages.fetched_at, pages.run_key
        ) >= {{ gone_spacing() }},
        true
    ) as is_spaced
from {{ source('ops', 'pages') }} as pages
where
    pages.source = 'wallhaven'
    and pages.entity = 'wallpaper'
    and pages.status in (401, 404)
    and pages.page_name like 'w-%'
    {%- if of %}
    and pages.page_name = 'w-' || {{ of }}
    {%- endif %}
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

{#- Who may be gone, and since when that is known; of: SQL that is one wallpaper's id, for the few rows about it. -#}
{%- macro wallhaven_suspicions(of=none) -%}
select
    wallhaven_id,
    absent_at as suspected_at
from ({{ wallhaven_absences() }}) as absences
{%- if of %}
where absences.wallhaven_id = {{ of }}
{%- endif %}
union all
select
    wallhaven_id,
    finished_at as suspected_at
from {{ source('ops', 'uploads') }}
where outcome = 'gone' and reopened_at is null
{%- if of %} and wallhaven_id = {{ of }}{% endif %}
union all
select
    substr(page_name, 3) as wallhaven_id,
    fetched_at as suspected_at
from {{ source('ops', 'pages') }}
where source = 'wallhaven' and entity = 'wallpaper' and status = 404 and page_name like 'w-%'
{%- if of %} and page_name = 'w-' || {{ of }}{% endif %}
{%- endmacro -%}

{#-
    Condition: a wallpaper may be gone since it was last seen, has not been denied often enough to be sure, and it is
    time to ask again. It probes indexes for this one wallpaper: `offset 0` keeps Postgres from asking about all at once.
-#}
{%- macro is_to_be_checked(wallpapers) -%}
(
    {{ wallpapers }}.upload_status <> 'taken_down'
    and exists (
        select from (
            {{ wallhaven_suspicions(of=wallpapers ~ '.wallhaven_id') }}
        ) as suspicions
        where suspicions.suspected_at > {{ wallpapers }}.last_seen_at
        offset 0
    )
    and (
        select
            not coalesce(bool_or(denials.status = 401), false)
            and count(*) filter (where denials.status = 404 and denials.is_spaced) < {{ gone_confirmations() }}
            and coalesce(max(denials.fetched_at) + {{ gone_spacing() }} <= now(), true)
        from ({{ wallhaven_denials(of=wallpapers ~ '.wallhaven_id') }}) as denials
        where denials.fetched_at > {{ wallpapers }}.last_seen_at
    )
)
{%- endmacro -%}
