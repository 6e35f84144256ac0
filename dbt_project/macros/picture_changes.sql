{#-
    Incremental models over pictures, whose changes come from no batch: ops.picture_changes holds what each model has
    yet to look at. A model's pre-hook claims its rows, the model reads those pictures anew, a post-hook removes the
    rows, all in the model's own transaction: a build that fails leaves them, a change that commits meanwhile waits
    for the next build.
-#}

{#- Pre-hook. after: the model that has to have taken a picture in before this one looks at it. -#}
{%- macro claim_pictures(after=none) -%}
update {{ source('ops', 'picture_changes') }} as own set claimed_in = '{{ invocation_id }}'
where
    own.model = '{{ this.identifier }}'
    {%- if after %}
    and not exists (
        select from {{ source('ops', 'picture_changes') }} as parents
        where parents.model = '{{ after }}' and parents.wallhaven_id = own.wallhaven_id
    )
    {%- endif %}
{%- endmacro -%}

{#- Pre-hook, after the claim: takes out what the model says of these pictures; everything on a rebuild. -#}
{%- macro forget_pictures(columns=['wallhaven_id']) -%}
{%- if load_relation(this) is not none -%}
{%- for column in columns %}
delete from {{ this }}
{%- if not is_rebuild() %}
where {{ column }} in (select changes.wallhaven_id from ({{ claimed_pictures() }}) as changes)
{%- endif %};
{%- endfor -%}
{%- endif -%}
{%- endmacro -%}

{#- Post-hook. -#}
{%- macro done_with_pictures() -%}
delete from {{ source('ops', 'picture_changes') }}
where model = '{{ this.identifier }}' and claimed_in = '{{ invocation_id }}'
{%- endmacro -%}

{#- The pictures that this build looks at, when it is no rebuild. -#}
{%- macro claimed_pictures() -%}
select distinct picture_changes.wallhaven_id
from {{ source('ops', 'picture_changes') }} as picture_changes
where picture_changes.model = '{{ this.identifier }}' and picture_changes.claimed_in = '{{ invocation_id }}'
{%- endmacro -%}

{#-
    Condition for the rows of these pictures. The bounds exclude nothing: as in_new_batches() has them, they make
    Postgres expect few rows; by bytes on both sides, for the columns' collations may differ.
-#}
{%- macro in_claimed_pictures(column='wallhaven_id') -%}
{%- if is_rebuild() -%}
true
{%- else -%}
{{ of_keys(claimed_pictures(), column) }}
and {{ column }} collate "C" >= ({{ outermost_claimed_picture('min') }})
and {{ column }} collate "C" <= ({{ outermost_claimed_picture('max') }})
{%- endif -%}
{%- endmacro -%}

{%- macro outermost_claimed_picture(which) -%}
select {{ which }}(changes.wallhaven_id collate "C") from ({{ claimed_pictures() }}) as changes
{%- endmacro -%}
