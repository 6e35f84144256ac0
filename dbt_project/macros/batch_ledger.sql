{#-
    Incremental models without a watermark. ops.applied_batches says which batches a model has taken in; a model's
    pre-hook writes there, in the model's own transaction, every batch that it has not, and the model then reads
    exactly those. A batch that commits late is simply not there yet and is taken by the next build; a build that fails
    takes its ledger rows back with it.
-#}

{#-
    Whether the model is filled from the start: its table is new, or `--full-refresh` was asked for. The table itself is
    never dropped (full_refresh: false in dbt_project.yml), it is emptied, so that views on it stay.
-#}
{%- macro is_rebuild() -%}
{{ return(adapter.dispatch('is_rebuild')()) }}
{%- endmacro -%}

{%- macro default__is_rebuild() -%}
{{ return(flags.FULL_REFRESH or load_relation(this) is none) }}
{%- endmacro -%}

{#-
    Pre-hook. With `after`, names of models: only batches that all of these have applied, so that a model built
    alone never believes it has read what its parents have not shown it yet.
-#}
{%- macro apply_batches(after=[]) -%}
{{ return(adapter.dispatch('apply_batches')(after)) }}
{%- endmacro -%}

{%- macro default__apply_batches(after=[]) -%}
{%- if is_rebuild() %}
delete from {{ source('ops', 'applied_batches') }} where model = '{{ this.identifier }}';
{%- if target.type == 'postgres' %}
update {{ source('ops', 'batches') }} set tested_in = null where tested_in is not null;
{%- endif %}
{%- if load_relation(this) is not none %}
delete from {{ this }};
{%- endif %}
{%- endif %}
insert into {{ source('ops', 'applied_batches') }} (model, batch_id, invocation_id)
select '{{ this.identifier }}', batches.batch_id, '{{ invocation_id }}'
from {{ source('ops', 'batches') }} as batches
where not exists (
    select 1 from {{ source('ops', 'applied_batches') }} as applied
    where applied.model = '{{ this.identifier }}' and applied.batch_id = batches.batch_id
)
{%- for parent in after %}
and exists (
    select 1 from {{ source('ops', 'applied_batches') }} as applied
    where applied.model = '{{ parent }}' and applied.batch_id = batches.batch_id
)
{%- endfor %}
{%- if target.type == 'postgres' %}
on conflict do nothing
{%- endif %}
{%- endmacro -%}

{#-
    Condition for the rows of the batches that this build applies. A rebuild applies all there are; should one be
    committed after the pre-hook looked, it is read now and again by the next build, which every model bears. As an
    array, because Postgres does not push a join into the arms of a union.

    Postgres takes any array for ten batches, which is a large part of a collection that was loaded in few, and would
    read tables whole. The bounds exclude nothing: they make it expect few rows, and find these by indexes.
-#}
{%- macro in_new_batches() -%}
{%- if is_rebuild() -%}
true
{%- else -%}
{%- set applied -%}
select applied.batch_id from {{ source('ops', 'applied_batches') }} as applied
where applied.model = '{{ this.identifier }}' and applied.invocation_id = '{{ invocation_id }}'
{%- endset -%}
{{ few_among('batch_id', applied, 'applied.batch_id') }}
{%- endif -%}
{%- endmacro -%}

{#- Condition: a column's value is one of the few that a query selects as `value`, and so within their bounds. -#}
{%- macro few_among(column, query, value) -%}
{{ among(column, query) }}
and {{ column }} >= ({{ query | replace('select ' ~ value, 'select min(' ~ value ~ ')', 1) }})
and {{ column }} <= ({{ query | replace('select ' ~ value, 'select max(' ~ value ~ ')', 1) }})
{%- endmacro -%}

{#- Condition for the rows of some wallpapers, given as a query that selects their wallhaven_id. -#}
{%- macro of_wallpapers(ids) -%}
{{ of_keys(ids, 'wallhaven_id') }}
{%- endmacro -%}

{#- Condition for the rows of some keys, given as a query that selects them. -#}
{%- macro of_keys(ids, key) -%}
{{ key }} = any(array({{ ids }}))
{%- endmacro -%}

{#- Pre-hook: takes out the rows of every wallpaper that new batches speak of, for a model that writes them anew. -#}
{%- macro forget_changed(observations) -%}
{%- if not is_rebuild() -%}
delete from {{ this }}
where {{ of_wallpapers('select wallhaven_id from ' ~ observations ~ ' where ' ~ in_new_batches()) }}
{%- endif -%}
{%- endmacro -%}
