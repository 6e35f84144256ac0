{%- macro kaggle_entities() -%}
{{ return(['styles', 'images']) }}
{%- endmacro -%}
