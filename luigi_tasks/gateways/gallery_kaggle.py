"""What the gallery shows of Kaggle's datasets: rows of the same columns as Wallhaven's, products' words as their tags.

Nothing is rated there, so it all counts as sfw; a picture that could not be measured has no size to be laid out with
and is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from luigi_tasks.gateways.gallery_duplicates import Duplicates

if TYPE_CHECKING:
    from collections.abc import Mapping

IMAGES = "draenei_content.kaggle_images"
PRODUCTS = "draenei_content.kaggle_products"
DUPLICATES = Duplicates(
    "draenei_content.kaggle_duplicate_pairs", "draenei_content.kaggle_duplicate_clusters", "picture"
)
SHOWN_IDS = "select dataset || '/' || name from shown"
SHOWN = """
from draenei_content.kaggle_images as i
inner join ops.archive_entries as w
    on i.dataset = w.dataset and i.name = w.name and i.sha256 = w.sha256 and w.outcome = 'stored' and w.lost_at is null
where i.status = 'measured'
"""
PICTURES = """
with shown as (
    select i.*, w.entered_at {shown}
    order by w.entered_at desc, i.dataset collate "C", i.name collate "C" limit %(most)s
),
{duplicates}
select
    w.dataset || '/' || w.name as id, 'kaggle' as source, p.display_name as title,
    coalesce(small.object_key, w.object_key) as small, coalesce(large.object_key, w.object_key) as large,
    w.object_key as original, w.sha256, w.width, w.height, w.bytes,
    'sfw' as purity, p.master_category as category,
    array(select colour ->> 'hex' from jsonb_array_elements(w.colours) as colour) as colors,
    array_remove(array[p.article_type, p.base_colour, p.season, p.usage, p.gender], null) as tags,
    null as uploader, null as views, null as favorites, null as uploaded,
    extract(epoch from w.entered_at)::bigint as found,
    'active' as state, clusters.cluster_id as cluster, coalesce(clusters.is_canonical, false) as canonical,
    array['kaggle/' || w.dataset] as queries,
    to_jsonb(p) - array['run_key', 'first_run_key']
    || jsonb_build_object('file_type', w.format, 's3_key', w.object_key, 'sha256', w.sha256, 'exif', w.exif) as fields,
    near.found as near, null as life, null as versions, null as attempts,
    json_build_object('dataset', w.dataset, 'file', w.name, 'run', w.run_key, 'link', w.link) as origin
from shown as w
left join draenei_content.kaggle_products as p on w.dataset = p.dataset and w.product_id = p.id
left join clusters on w.dataset || '/' || w.name = clusters.picture
left join near on w.dataset || '/' || w.name = near.id
left join lateral ({thumbnail}) as small on true
left join lateral ({thumbnail_large}) as large on true
order by w.dataset collate "C", w.name collate "C"
"""
QUERIES = """
select 'kaggle/' || i.dataset as key, i.dataset as text, count(*) as pictures {shown}
group by i.dataset order by i.dataset collate "C"
"""
WEB_SAFE = 0x33


def as_shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """With colours of the palette that Wallhaven's are from, so that one filter finds both; each once."""
    return {**row, "colors": list(dict.fromkeys(_web_safe(colour) for colour in row["colors"] or ()))}


def _web_safe(colour: str) -> str:
    """#rrggbb → the nearest whose parts are multiples of 33."""
    parts = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return "#" + "".join(f"{round(part / WEB_SAFE) * WEB_SAFE:02x}" for part in parts)
