{#-
    Wallpapers whose row may have to change: named by new batches or new attempts, judged by another limit, or taken
    down since.
-#}
{%- macro changed_wallpapers() -%}
{%- set observations, uploads = ref('int_wallpaper_observations'), source('ops', 'uploads') -%}
{%- if is_rebuild() -%}
select wallhaven_id from {{ ref('wallpaper_versions') }}
where version_number = 1
{%- else -%}
select wallhaven_id from {{ observations }}
where {{ in_new_batches() }}
union
select wallhaven_id from {{ uploads }}
where modelled_in = '{{ invocation_id }}'
union
select wallhaven_id from {{ this }}
where upload_status in ('retrying', 'given_up')
    and (upload_status = 'given_up') <> (upload_attempts >= {{ upload_max_attempts() }})
union
select standing.wallhaven_id from {{ source('ops', 'tombstones') }} as tombstones
inner join {{ this }} as standing on tombstones.wallhaven_id = standing.wallhaven_id
group by standing.wallhaven_id, standing.upload_status
having (standing.upload_status = 'taken_down') <> bool_or(tombstones.lifted_at is null)
{%- endif -%}
{%- endmacro -%}

{#- For each row of a CTE `changed`: the row of a model at which the wallpaper stands, or `first`: one probe of an index. -#}
{%- macro one_row_of(relation, which='last') -%}
select * from {{ relation }} as candidates
where candidates.wallhaven_id = changed.wallhaven_id
order by candidates.observation_key {{ 'desc' if which == 'last' else 'asc' }}
limit 1
{%- endmacro -%}

{#- The same for the one row a wallpaper of the upload states; the limit keeps Postgres from judging all wallpapers first. -#}
{%- macro uploads_of_one(relation) -%}
select * from {{ relation }} as judged
where judged.wallhaven_id = changed.wallhaven_id
limit 1
{%- endmacro -%}

{#- Post-hooks: partial indexes that keep the work lists' cost, and the gallery's, apart from the collection's size. -#}
{%- macro index_work_lists() -%}
create index if not exists wallpapers_to_upload on {{ this }} (uploaded_at desc, wallhaven_id)
where upload_status in ('pending', 'retrying');
create index if not exists wallpapers_without_details on {{ this }} (uploaded_at desc, wallhaven_id)
where details_fetched_at is null;
create index if not exists wallpapers_stored on {{ this }} (uploaded_at desc nulls last, wallhaven_id collate "C" desc)
where upload_status = 'stored';
create index if not exists wallpapers_by_attempts on {{ this }} (upload_status, upload_attempts)
where upload_status in ('retrying', 'given_up');
drop index if exists {{ this.schema }}.wallpapers_by_status
{%- endmacro -%}

{#- Post-hook: who was rated anew is looked for among the wallpapers that changed at all. -#}
{%- macro index_later_versions() -%}
create index if not exists wallpaper_versions_later on {{ this }} (wallhaven_id, purity)
where version_number > 1;
create index if not exists wallpaper_versions_first on {{ this }} (wallhaven_id) where version_number = 1
{%- endmacro -%}

{#- Where an original is kept. A type that nobody knows gets a key too: the uploader then refuses it, visibly. -#}
{%- macro object_key(wallhaven_id, file_type) -%}
'wallpapers/' || {{ wallhaven_id }} || '.' || case {{ file_type }}
    when 'image/jpeg' then 'jpg'
    else regexp_replace(split_part({{ file_type }}, '/', 2), '[^a-z0-9]', '', 'g')
end
{%- endmacro -%}

{#-
    Post-hook: the numbers of each status follow the table by triggers; where it has none yet, they are counted once.
    An update's rows come and go, an insert's come, a delete's go.
-#}
{%- macro count_upload_statuses() -%}
do $$
begin
    if not exists (
        select from pg_trigger where tgrelid = '{{ this }}'::regclass and tgname = 'deleted_statuses'
    ) then
        delete from {{ source('ops', 'upload_statuses') }};
        insert into {{ source('ops', 'upload_statuses') }} (upload_status, number)
        select upload_status, count(*) from {{ this }} group by upload_status;
        create trigger inserted_statuses after insert on {{ this }}
        referencing new table as come for each statement execute function ops.count_upload_statuses();
        create trigger updated_statuses after update on {{ this }}
        referencing new table as come old table as gone
        for each statement execute function ops.count_upload_statuses();
        create trigger deleted_statuses after delete on {{ this }}
        referencing old table as gone for each statement execute function ops.count_upload_statuses();
    end if;
end
$$
{%- endmacro -%}
