{#- Verdicts that cannot be what somebody meant: no hash, one picture with itself, another word, two for one pair. -#}
{%- test verdicts_are_sound(model) -%}
select
    least(sha256_a, sha256_b) as sha256_a,
    greatest(sha256_a, sha256_b) as sha256_b,
    string_agg(coalesce(verdict, 'null'), ', ') as verdicts
from {{ model }}
group by least(sha256_a, sha256_b), greatest(sha256_a, sha256_b)
having
    count(*) > 1
    or least(sha256_a, sha256_b) = greatest(sha256_a, sha256_b)
    or not coalesce(
        bool_and(
            sha256_a ~ '^[0-9a-f]{64}$' and sha256_b ~ '^[0-9a-f]{64}$'
            and verdict in ('same', 'different')
            and decided_at is not null
        ),
        false
    )
{%- endtest -%}
