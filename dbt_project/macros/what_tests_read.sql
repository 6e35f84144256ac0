{#-
    A test reads what may have changed since the tests last passed, not the whole collection: the batches and uploads
    whose tested_in is null. What a build's tests fail on, or a killed build took in, stays untested, so the next build
    reads it again. Everything is read with `--full-refresh`, with DRAENEI_TEST_WHOLE_TABLES=1 in the environment, after
    a table was filled anew, and when so much changed that a scan is cheaper than as many probes.
-#}

{#- on-run-start: notes which batches stand there before the first test looks. -#}
{%- macro enter_build() -%}
{{ return(adapter.dispatch('enter_build')()) }}
{%- endmacro -%}

{%- macro default__enter_build() -%}
insert into {{ source('ops', 'dbt_builds') }} (invocation_id, untested_batches)
select '{{ invocation_id }}', array(
    select batches.batch_id from {{ source('ops', 'batches') }} as batches
    where batches.tested_in is null
)
on conflict do nothing
{%- endmacro -%}

{#- Whose a test is: its source's folder says it; what stands beside those folders is Wallhaven's. -#}
{%- macro source_of_test(test) -%}
{%- set parts = test.original_file_path.split('/') -%}
{%- set folder = 2 if parts[0] == 'models' else 1 -%}
{{ return(parts[folder] if parts | length > folder + 1 else 'wallhaven') }}
{%- endmacro -%}

{#-
    on-run-end: when every data test of a source ran and passed, so did its models: its batches that stood at the start
    are in all of them, and Wallhaven's uploads that were claimed are in `wallpapers`. A build of one source says nothing
    about another's.
-#}
{%- macro settle_builds(results) -%}
{{ return(adapter.dispatch('settle_builds')(results)) }}
{%- endmacro -%}

{%- macro default__settle_builds(results) -%}
{%- set missing = {} -%}
{%- for test in (graph.nodes.values() if execute else []) if test.resource_type == 'test' -%}
{%- set source = source_of_test(test) -%}
{%- do missing.update({source: missing.get(source, 0) + 1}) -%}
{%- endfor -%}
{%- for result in (results or []) if result.node.resource_type == 'test' and result.status in ['pass', 'warn'] -%}
{%- set source = source_of_test(result.node) -%}
{%- do missing.update({source: missing.get(source, 0) - 1}) -%}
{%- endfor -%}
{%- set models = (results or []) | selectattr('node.resource_type', 'equalto', 'model') | list | length -%}
{%- set bad = (results or []) | rejectattr('status', 'in', ['success', 'pass', 'warn', 'no-op']) | list | length -%}
{%- set tested = [] -%}
{%- for source, number in missing.items() if number == 0 -%}
{%- do tested.append(source) -%}
{%- endfor -%}
{%- if tested and models > 0 and bad == 0 %}
with batches as (
    update {{ source('ops', 'batches') }} as batches set tested_in = '{{ invocation_id }}'
    from {{ source('ops', 'dbt_builds') }} as own, {{ source('ops', 'runs') }} as runs
    where
        own.invocation_id = '{{ invocation_id }}'
        and batches.tested_in is null
        and batches.batch_id = any(own.untested_batches)
        and runs.run_key = batches.run_key
        and runs.source in ('{{ tested | join("', '") }}')
)

update {{ source('ops', 'uploads') }} set tested_in = '{{ invocation_id }}'
where tested_in is null and modelled_in is not null and {{ 'wallhaven' in tested }}
{%- endif %}
{%- endmacro -%}

{#- Condition: the column is an untested batch. -#}
{%- macro in_untested_batches(column='batch_id') -%}
{%- set untested -%}
select batches.batch_id from {{ source('ops', 'batches') }} as batches where batches.tested_in is null
{%- endset -%}
{{ few_among(column, untested, 'batches.batch_id') }}
{%- endmacro -%}

{%- macro untested_wallpapers() -%}
array(
    {% for entity in ['search', 'wallpaper'] -%}
    select records.record_id
    from {{ source('ops', 'loads') }} as loads
    inner join {{ source('raw', 'wallhaven_' ~ entity) }} as records on loads.body_sha256 = records.body_sha256
    where loads.entity = '{{ entity }}' and {{ in_untested_batches('loads.batch_id') }}
    union
    {% endfor -%}
    select uploads.wallhaven_id from {{ source('ops', 'uploads') }} as uploads
    where uploads.tested_in is null or uploads.modelled_in is null
)
{%- endmacro -%}

{#-
    The pictures whose hashes were written and not tested: those that the bands, which wait for the tests, have yet to
    take in, and those of untested uploads for who tests without building.
-#}
{%- macro untested_pictures() -%}
array(
    select changes.wallhaven_id from {{ source('ops', 'picture_changes') }} as changes
    where changes.model = 'int_picture_bands'
    union
    select uploads.wallhaven_id from {{ source('ops', 'uploads') }} as uploads
    where uploads.tested_in is null or uploads.modelled_in is null
)
{%- endmacro -%}

{#- Array of the keys of randomuser's records that untested batches loaded; key: SQL that gives one of them. -#}
{%- macro untested_people(key) -%}
array(
    select {{ key }}
    from {{ source('ops', 'loads') }} as loads
    inner join {{ source('randomuser', 'randomuser_users') }} as records on loads.body_sha256 = records.body_sha256
    where loads.source = 'randomuser' and {{ in_untested_batches('loads.batch_id') }}
)
{%- endmacro -%}

{#- Condition for the rows of the bodies that untested batches loaded. -#}
{%- macro of_untested_bodies() -%}
body_sha256 = any(array(
    select loads.body_sha256 from {{ source('ops', 'loads') }} as loads
    where {{ in_untested_batches('loads.batch_id') }}
))
{%- endmacro -%}

{#- True when a test is to read whole tables; what is untested is noted in Postgres only. -#}
{%- macro reads_whole_tables() -%}
{%- if target.type != 'postgres' or flags.FULL_REFRESH or env_var('DRAENEI_TEST_WHOLE_TABLES', '') -%}
{{ return(true) }}
{%- endif -%}
{%- if not execute -%}
{{ return(false) }}
{%- endif -%}
{%- set counted -%}
select
    (
        select coalesce(sum(loads.received), 0) from {{ source('ops', 'loads') }} as loads
        where {{ in_untested_batches('loads.batch_id') }}
    )
    + (
        select count(*) from {{ source('ops', 'uploads') }} as uploads
        where uploads.tested_in is null or uploads.modelled_in is null
    )
{%- endset -%}
{{ return(run_query(counted).columns[0].values()[0] > 20000) }}
{%- endmacro -%}

{#- Condition for the rows of a relation that a test reads; '' for all of them. -#}
{%- macro untested_rows_of(identifier) -%}
{%- if identifier.startswith('stg_wallhaven__') -%}
{{ in_untested_batches() }}
{%- elif identifier.startswith(('wallpaper', 'pending_', 'int_wallpaper_')) -%}
wallhaven_id = any({{ untested_wallpapers() }})
{%- elif identifier == 'int_picture_hashes' -%}
wallhaven_id = any({{ untested_pictures() }})
{%- elif identifier == 'run_audit' -%}
run_key = any(array(
    select batches.run_key from {{ source('ops', 'batches') }} as batches where batches.tested_in is null
))
{%- elif identifier == 'int_randomuser__versions' -%}
record_key = any({{ untested_people("'users/' || records.record_id") }})
{%- elif identifier == 'randomuser_contacts' -%}
user_uuid = any({{ untested_people('records.record_id::uuid') }})
{%- endif -%}
{%- endmacro -%}

{#- dbt's hook for `where` of a generic test: what the test asks for, and of that what is untested. -#}
{%- macro default__get_where_subquery(relation) -%}
{%- set conditions = [config.get('where') or ''] -%}
{%- set untested = untested_rows_of(relation.identifier) -%}
{%- if untested and not reads_whole_tables() -%}
{%- do conditions.append(untested) -%}
{%- endif -%}
{%- set conditions = conditions | select | list -%}
{%- if conditions -%}
{{ return('(select * from ' ~ relation ~ ' where (' ~ conditions | join(') and (') ~ ')) as untested_rows') }}
{%- endif -%}
{{ return(relation) }}
{%- endmacro -%}
