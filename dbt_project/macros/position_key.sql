{#-
    A record's place in its body as text that sorts like the number. Six digits, as all keys had them; from a million on
    ten, behind a letter, which comes after every digit: older keys stay what they are, and no digit is cut off.
-#}
{%- macro position_key(position) -%}
{%- set text = 'cast(' ~ position ~ ' as ' ~ dbt.type_string() ~ ')' -%}
case when {{ position }} < 1000000 then lpad({{ text }}, 6, '0') else 'a' || lpad({{ text }}, 10, '0') end
{%- endmacro -%}
