{#-
    When two pictures are near. Measured on real wallpapers by benchmarks/duplicates.py; docs/decisions/0024 has the
    figures. Another value here is another verdict of the machine: build once with --full-refresh.
-#}

{#- Bits in which the nearer of the two hashes may differ. The bands find every pair at up to this distance. -#}
{%- macro near_bits() -%}4{%- endmacro -%}

{#- Bits in which the other hash may differ: both kinds have to agree. -#}
{%- macro agreeing_bits() -%}10{%- endmacro -%}

{#- How far the mean colours may be apart, in RGB: the hashes see no colour, and a motif in other colours is another. -#}
{%- macro near_colour() -%}22{%- endmacro -%}

{#- Pictures whose luma says less, in bits, are set aside: their hashes say nothing, so all of them look alike. -#}
{%- macro plain_entropy() -%}3{%- endmacro -%}

{#-
    The bands of a hash as [shift, bits]: one more than near_bits, so that of two hashes that differ in so many bits
    at least one band is the same in both.
-#}
{%- macro hash_bands() -%}
{{ return([[0, 13], [13, 13], [26, 13], [39, 13], [52, 12]]) }}
{%- endmacro -%}

{#-
    A band that more pictures share says nothing: of products on white ground thousands have the same. Their number,
    squared, is what a build would compare. What two pictures share in such bands alone is not found.
-#}
{%- macro telling_pictures() -%}100{%- endmacro -%}

{#- Values that differ whenever kind of hash, band or bits in the band do. -#}
{%- macro bands_of(dhash, phash) -%}
{%- for hash in [dhash, phash] -%}
{%- set kind = loop.index0 -%}
{%- for shift, bits in hash_bands() -%}
(({{ hash }} >> {{ shift }}) & {{ 2 ** bits - 1 }})::integer + {{ (kind * 5 + loop.index0) * 8192 }}
{%- if not (loop.last and kind) %}, {% endif -%}
{%- endfor -%}
{%- endfor -%}
{%- endmacro -%}

{#- In how many of 64 bits two hashes differ. -#}
{%- macro hamming(one, other) -%}
bit_count(({{ one }} # {{ other }})::bit(64))::integer
{%- endmacro -%}

{#- The columns that say how far two measured pictures are apart, of what is_near() is asked. -#}
{%- macro distances(one, other) -%}
{{ one }}.is_plain or {{ other }}.is_plain as is_plain,
{{ hamming(one ~ '.dhash', other ~ '.dhash') }} as dhash_distance,
{{ hamming(one ~ '.phash', other ~ '.phash') }} as phash_distance,
sqrt(
    power({{ one }}.colour[1] - {{ other }}.colour[1], 2)
    + power({{ one }}.colour[2] - {{ other }}.colour[2], 2)
    + power({{ one }}.colour[3] - {{ other }}.colour[3], 2)
)::real as colour_distance
{%- endmacro -%}

{#- Whether the machine calls two pictures near, by the columns of distances(). -#}
{%- macro is_near() -%}
not is_plain
and least(dhash_distance, phash_distance) <= {{ near_bits() }}
and greatest(dhash_distance, phash_distance) <= {{ agreeing_bits() }}
and colour_distance <= {{ near_colour() }}
{%- endmacro -%}

{#- The mean of a picture's dominant colours: [red, green, blue], 0 to 255. -#}
{%- macro mean_colour(colours) -%}
(
    select
        array[
            sum(share * get_byte(rgb, 0)) / nullif(sum(share), 0),
            sum(share * get_byte(rgb, 1)) / nullif(sum(share), 0),
            sum(share * get_byte(rgb, 2)) / nullif(sum(share), 0)
        ]::real[]
    from (
        select
            (colour ->> 'share')::double precision as share,
            decode(substr(colour ->> 'hex', 2), 'hex') as rgb
        from jsonb_array_elements({{ colours }}) as colour
    ) as dominant
)
{%- endmacro -%}

{#- The seed of verdicts; nothing at all before it was loaded, so that `dbt run` alone builds the models too. -#}
{%- macro verdicts() -%}
{%- set seed = ref('duplicate_verdicts') -%}
{%- if execute and load_relation(seed) is none -%}
(select null::text as sha256_a, null::text as sha256_b, null::text as verdict where false)
{%- else -%}
{{ seed }}
{%- endif -%}
{%- endmacro -%}

{#- The verdicts of people as pairs of pictures. -#}
{%- macro judged_pairs() -%}
select
    least(ones.wallhaven_id collate "C", others.wallhaven_id) as wallhaven_id_a,
    greatest(ones.wallhaven_id collate "C", others.wallhaven_id) as wallhaven_id_b,
    min(verdicts.verdict) as verdict
from {{ verdicts() }} as verdicts
inner join {{ ref('int_picture_hashes') }} as ones on verdicts.sha256_a = ones.sha256
inner join {{ ref('int_picture_hashes') }} as others on verdicts.sha256_b = others.sha256
where ones.wallhaven_id <> others.wallhaven_id
group by 1, 2
{%- endmacro -%}

{#- Pre-hook of the pairs: pictures whose verdicts are not those that the pairs were made with are looked at again. -#}
{%- macro notice_verdicts() -%}
{%- if not is_rebuild() %}
with
standing as (
    select wallhaven_id_a, wallhaven_id_b, verdict from {{ this }}
    where verdict is not null
),
judged as (
    {{ judged_pairs() }}
),
changed as (
    (select * from standing except select * from judged)
    union all
    (select * from judged except select * from standing)
)
insert into {{ source('ops', 'picture_changes') }} (model, wallhaven_id)
select models.model, touched.wallhaven_id
from changed
cross join lateral unnest(array[changed.wallhaven_id_a, changed.wallhaven_id_b]) as touched (wallhaven_id)
cross join unnest(array['duplicate_pairs', 'duplicate_clusters']) as models (model)
{%- endif -%}
{%- endmacro -%}

{#-
    Pre-hook of the clusters: with a picture go its cluster as it was and everything that pairs now lead to from there;
    all of it, because an edge may lead on to a picture that a verdict keeps out of the cluster.
-#}
{%- macro claim_touched_clusters() -%}
{%- if not is_rebuild() %}
with recursive
claimed as (
    {{ claimed_pictures() }}
),
whole as (
    select wallhaven_id from claimed
    union
    select members.wallhaven_id from {{ this }} as members
    inner join {{ this }} as known on members.cluster_id = known.cluster_id
    inner join claimed on known.wallhaven_id = claimed.wallhaven_id
    union
    select neighbours.wallhaven_id from whole
    cross join lateral (
        select pairs.wallhaven_id_b as wallhaven_id from {{ ref('duplicate_pairs') }} as pairs
        where pairs.wallhaven_id_a = whole.wallhaven_id and pairs.verdict is distinct from 'different'
        union all
        select pairs.wallhaven_id_a as wallhaven_id from {{ ref('duplicate_pairs') }} as pairs
        where pairs.wallhaven_id_b = whole.wallhaven_id and pairs.verdict is distinct from 'different'
    ) as neighbours
)
insert into {{ source('ops', 'picture_changes') }} (model, wallhaven_id, claimed_in)
select '{{ this.identifier }}', wallhaven_id, '{{ invocation_id }}'
from whole
{%- endif -%}
{%- endmacro -%}

{#- A picture that was put in order by bytes, to be looked up: an index is asked in its column's collation only. -#}
{%- macro as_indexed(column) -%}
{{ column }} collate "default"
{%- endmacro -%}
