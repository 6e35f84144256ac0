-- A person's word wins: what was told apart shares no cluster.
select
    pairs.wallhaven_id_a,
    pairs.wallhaven_id_b
from {{ ref('duplicate_pairs') }} as pairs
inner join {{ ref('duplicate_clusters') }} as ones on pairs.wallhaven_id_a = ones.wallhaven_id
inner join {{ ref('duplicate_clusters') }} as others on pairs.wallhaven_id_b = others.wallhaven_id
where pairs.verdict = 'different' and ones.cluster_id = others.cluster_id
