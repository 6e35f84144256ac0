{#- How often an image is tried before it is given up. The one place that reads the setting. -#}
{%- macro upload_max_attempts() -%}
{{ env_var('UPLOAD_MAX_ATTEMPTS', '5') | int }}
{%- endmacro -%}

{#- Outcomes after which an image is never tried again. -#}
{%- macro final_outcomes() -%}
('stored', 'gone', 'refused', 'conflict')
{%- endmacro -%}

{#-
    Pre-hook of the model that shows upload states: marks the attempts that it is about to take in. In one transaction
    with the model, so a failure leaves them unmarked. The retry verb sets modelled_in back to null.
-#}
{%- macro claim_uploads() -%}
update {{ source('ops', 'uploads') }} set modelled_in = '{{ invocation_id }}', tested_in = null
where modelled_in is null
{%- endmacro -%}

{#-
    Wait after so many failed attempts, by what the last one came to: after the first, after the second, and how far the
    doubling goes from there. A host that says we are too fast is left alone at once; bytes that were broken twice are
    broken at the source, which mends slowly; a store of ours is back soon. Final outcomes wait for the retry verb.
-#}
{%- macro retry_delay(attempts, outcome) -%}
{%- set waits = {
    'throttled': ('5 minutes', '10 minutes', '1 day'),
    'corrupt': ('0', '1 hour', '1 day'),
    'unstored': ('0', '1 minute', '1 hour'),
    'unreachable': ('0', '2 minutes', '1 day'),
} -%}
case
    {%- for name, (first, second, most) in waits.items() %}
    {% if loop.last %}else{% else %}when {{ outcome }} = '{{ name }}' then{% endif %}
        case
            when {{ attempts }} <= 1 then interval '{{ first }}'
            else least(interval '{{ second }}' * power(2, least({{ attempts }} - 2, 10)), interval '{{ most }}')
        end
    {%- endfor %}
end
{%- endmacro -%}
