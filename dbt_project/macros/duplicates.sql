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
    The parts of a hash as [shift, bits]: two more than near_bits, so that of two hashes that differ in so many bits at
    least two parts are the same in both. Two parts are a band: fifteen of them, of 20 to 22 bits.
-#}
{%- macro hash_parts() -%}
{{ return([[0, 10], [10, 11], [21, 11], [32, 11], [43, 11], [54, 10]]) }}
{%- endmacro -%}

{#-
    A band that more pictures share says nothing: of products on white ground thousands have the same. Their number,
    squared, is what a build would compare. What two pictures share in such bands alone is not found.
-#}
{%- macro telling_pictures() -%}100{%- endmacro -%}

{#- Values that differ whenever kind of hash, band or bits in the band do: the two parts, and which they are of whom. -#}
{%- macro bands_of(dhash, phash) -%}
{%- set bands = [] -%}
{%- for hash in [dhash, phash] -%}
{%- for shift, bits in hash_parts() -%}
{%- for other_shift, other_bits in hash_parts() if other_shift > shift -%}
{%- set one = '((' ~ hash ~ ' >> ' ~ shift ~ ') & ' ~ (2 ** bits - 1) ~ ')' -%}
{%- set other = '((' ~ hash ~ ' >> ' ~ other_shift ~ ') & ' ~ (2 ** other_bits - 1) ~ ')' -%}
{%- do bands.append('(' ~ one ~ ' << ' ~ other_bits ~ ' | ' ~ other ~ ')::integer + ' ~ bands | length * 2 ** 22) -%}
{%- endfor -%}
{%- endfor -%}
{%- endfor -%}
{{ bands | join(', ') }}
{%- endmacro -%}

{#- Pre-hook of the pairs: of a few pictures each asks the index of bands, even where reading all bands looks cheap. -#}
{%- macro ask_the_bands() -%}
{%- if not is_rebuild() -%}
set local enable_seqscan = off
{%- endif -%}
{%- endmacro -%}

{#- Pairs (one, other) of pictures that share a band, a picture and itself among them; of all, or of those claimed. -#}
{%- macro sharing_bands() -%}
{%- if is_rebuild() -%}
select
    ones.wallhaven_id as one,
    others.wallhaven_id as other
from (select wallhaven_id, unnest(bands) as band from {{ ref('int_picture_bands') }}) as ones
inner join (select wallhaven_id, unnest(bands) as band from {{ ref('int_picture_bands') }}) as others
    on ones.band = others.band
{%- else -%}
select
    own.wallhaven_id as one,
    others.wallhaven_id as other
from {{ ref('int_picture_bands') }} as own
cross join lateral (
    select known.wallhaven_id from {{ ref('int_picture_bands') }} as known
    where known.bands && own.bands
    offset 0
) as others
where {{ in_claimed_pictures('own.wallhaven_id') }}
{%- endif -%}
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

{#-
    Pre-hook of the hashes, between claim and forgetting: whose bytes the claimed pictures had, for when one of them is
    gone, or has others, nothing else says which pictures are without a first now.
-#}
{%- macro note_bytes() -%}
{%- if not is_rebuild() %}
update {{ source('ops', 'picture_changes') }} as own set sha256 = known.sha256
from {{ this }} as known
where
    own.model = '{{ this.identifier }}'
    and own.claimed_in = '{{ invocation_id }}'
    and own.wallhaven_id = known.wallhaven_id
{%- endif -%}
{%- endmacro -%}

{#-
    Post-hook of the hashes: of all that have bytes which claimed pictures have, or had, the first in byte order is the
    first, and no other one. It asks the table as it is now, for what was claimed may have changed again meanwhile. Who
    became the first, or is it no more, is to be looked at by the other models too.
-#}
{%- macro put_firsts_right() -%}
with
bodies as (
    select sha256 from {{ source('ops', 'picture_changes') }}
    where model = '{{ this.identifier }}' and claimed_in = '{{ invocation_id }}' and sha256 is not null
    union
    select sha256 from {{ this }}
    where wallhaven_id in ({{ claimed_pictures() }})
),
right_ones as (
    select found.wallhaven_id, bool_or(found.is_first) as is_first
    from bodies
    cross join lateral (
        (
            select earliest.wallhaven_id, true as is_first from {{ this }} as earliest
            where earliest.sha256 = bodies.sha256
            order by earliest.wallhaven_id collate "C" limit 1
        )
        union all
        select called.wallhaven_id, false from {{ this }} as called
        where called.sha256 = bodies.sha256 and called.is_first
    ) as found
    group by found.wallhaven_id
),
corrected as (
    update {{ this }} as pictures set is_first = right_ones.is_first
    from right_ones
    where pictures.wallhaven_id = right_ones.wallhaven_id and pictures.is_first <> right_ones.is_first
    returning pictures.wallhaven_id
)
insert into {{ source('ops', 'picture_changes') }} (model, wallhaven_id)
select models.model, corrected.wallhaven_id
from corrected
cross join unnest(array['int_picture_bands', 'duplicate_pairs', 'duplicate_clusters']) as models (model)
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

{#- The verdicts of people as pairs of pictures, the first of each bytes. -#}
{%- macro judged_pairs() -%}
select
    least(ones.wallhaven_id collate "C", others.wallhaven_id) as wallhaven_id_a,
    greatest(ones.wallhaven_id collate "C", others.wallhaven_id) as wallhaven_id_b,
    min(verdicts.verdict) as verdict
from {{ verdicts() }} as verdicts
inner join {{ ref('int_picture_hashes') }} as ones on verdicts.sha256_a = ones.sha256 and ones.is_first
inner join {{ ref('int_picture_hashes') }} as others on verdicts.sha256_b = others.sha256 and others.is_first
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
    where members.cluster_id = any(array(
        select distinct known.cluster_id from {{ this }} as known
        inner join claimed on known.wallhaven_id = claimed.wallhaven_id
    ))
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
