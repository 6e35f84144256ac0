{#- Casts that give null for a value that does not fit, so that one bad record never fails a build. -#}

{#- A whole number; JSON Schema counts 5.0 as one too. -#}
{%- macro json_integer(payload, field, type='bigint') -%}
{{ return(adapter.dispatch('json_integer')(payload, field, type)) }}
{%- endmacro -%}

{%- macro default__json_integer(payload, field, type='bigint') -%}
{%- set text = "(" ~ payload ~ " ->> '" ~ field ~ "')" -%}
case
    when {{ text }} ~ '^-?[0-9]{1,{{ 9 if type == 'integer' else 18 }}}([.]0+)?$' then {{ text }}::numeric::{{ type }}
end
{%- endmacro -%}

{#- A number with up to two decimals and six digits before them. -#}
{%- macro json_decimal(payload, field) -%}
{%- set text = "(" ~ payload ~ " ->> '" ~ field ~ "')" -%}
case when {{ text }} ~ '^[0-9]{1,6}([.][0-9]{1,2})?$' then {{ text }}::numeric(8, 2) end
{%- endmacro -%}

{#- A string; the source writes '' where it has nothing to say. -#}
{%- macro json_text(payload, field) -%}
nullif({{ payload }} ->> '{{ field }}', '')
{%- endmacro -%}

{#- An array of strings in its own order; null when it is no array. -#}
{%- macro json_text_array(payload, field) -%}
case
    when jsonb_typeof({{ payload }} -> '{{ field }}') = 'array'
        then array(
            select elements.element
            from jsonb_array_elements_text({{ payload }} -> '{{ field }}') with ordinality as elements (element, place)
            order by elements.place
        )
end
{%- endmacro -%}

{#-
    'YYYY-MM-DD HH:MM:SS', which the source means as UTC. A day that its month does not have would make a cast
    fail: the day is added to the first of the month and must come out as it was written.
-#}
{%- macro json_utc_timestamp(payload, field) -%}
{%- set text = "(" ~ payload ~ " ->> '" ~ field ~ "')" -%}
{%- set first_of_month = "(left(" ~ text ~ ", 8) || '01' || substr(" ~ text ~ ", 11))::timestamp" -%}
{%- set moment = first_of_month ~ " + (substr(" ~ text ~ ", 9, 2)::integer - 1) * interval '1 day'" -%}
case
    when {{ text }} !~ '^[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]) ([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$'
        then null
    when to_char({{ moment }}, 'YYYY-MM-DD HH24:MI:SS') = {{ text }}
        then ({{ moment }}) at time zone 'UTC'
end
{%- endmacro -%}
