{#-
    Columns that are never null, in one reading of the table: a row for each that is, with how often. One test for a
    model, not one for a column, because what a small build costs is its number of tests.
-#}
{%- test no_nulls(model, columns) -%}
select
    broken.column_name,
    count(*) as nulls
from (select * from {{ model }}) as checked
cross join lateral unnest(
    array[{% for column in columns %}
        case when checked.{{ column }} is null then '{{ column }}' end{{ ',' if not loop.last }}{% endfor %}
    ]
) as broken (column_name)
where num_nulls({{ columns | join(', ') }}) > 0 and broken.column_name is not null
group by broken.column_name
{%- endtest -%}
