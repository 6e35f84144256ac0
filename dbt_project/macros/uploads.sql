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

{#- Wait after so many failed attempts: none after the first, for the next run is the retry, then 2, 4, 8 minutes … a day. -#}
{%- macro retry_delay(attempts) -%}
case
    when {{ attempts }} > 1
        then least(interval '1 minute' * power(2, least({{ attempts }} - 1, 11)), interval '1 day')
    else interval '0'
end
{%- endmacro -%}
