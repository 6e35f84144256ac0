"""What the gallery shows, read from the tables: a row a stored picture, with its history and its origin as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from luigi_tasks.domain.errors import WarehouseError
from luigi_tasks.gateways import gallery_kaggle, selects
from luigi_tasks.gateways.gallery_duplicates import Duplicates

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

DUPLICATES = Duplicates("draenei_content.duplicate_pairs", "draenei_content.duplicate_clusters", "wallhaven_id")
WALLPAPERS = "draenei_content.wallpapers"
LIFECYCLE = "draenei_content.wallpaper_lifecycle"
VERDICTS = "draenei_content.duplicate_verdicts"
# Not what the models say alone: a picture that is taken down, or lost, is not shown until they are built again.
SHOWN = """
select w.wallhaven_id
from draenei_content.wallpapers as w
inner join ops.uploads as u on w.wallhaven_id = u.wallhaven_id and u.outcome = 'stored' and u.lost_at is null
where w.upload_status = 'stored'
"""
NEWEST = f'{SHOWN} order by w.uploaded_at desc nulls last, w.wallhaven_id collate "C" desc limit %(most)s'

# The newest thumbnail stands in for one of today's recipe that is not made yet.
PICTURES = """
with shown as ({shown}),
{duplicates},
lives as (
    select
        wallhaven_id,
        (array_agg(state order by valid_from desc))[1] as state,
        json_agg(json_build_object('state', state, 'from', valid_from, 'to', valid_to, 'reason', reason)
            order by valid_from) as intervals
    from draenei_content.wallpaper_lifecycle
    where wallhaven_id = any(array(select wallhaven_id from shown))
    group by wallhaven_id
)
select
    w.wallhaven_id as id, 'wallhaven' as source, null as title,
    coalesce(small.object_key, w.s3_key) as small,
    coalesce(large.object_key, w.s3_key) as large,
    w.s3_key as original, w.sha256,
    coalesce(u.width, w.width) as width, coalesce(u.height, w.height) as height,
    coalesce(u.bytes, w.file_size) as bytes,
    w.purity, w.category, w.colors, w.tags, w.uploader, w.views, w.favorites,
    extract(epoch from w.uploaded_at)::bigint as uploaded,
    extract(epoch from w.first_seen_at)::bigint as found,
    coalesce(lives.state, 'active') as state,
    clusters.cluster_id::text as cluster, coalesce(clusters.is_canonical, false) as canonical,
    array(
        select q.query_key from draenei_content.wallpaper_queries as q
        where q.wallhaven_id = w.wallhaven_id order by 1
    ) as queries,
    to_jsonb(w) - array['tags', 'colors', 'upload_attempts'] as fields,
    near.found as near, lives.intervals as life,
    (
        select json_agg(json_build_object(
            'number', v.version_number, 'from', v.observed_at, 'to', v.last_observed_at, 'purity', v.purity,
            'category', v.category, 'resolution', v.resolution, 'file_size', v.file_size, 'source', v.source,
            'colors', v.colors, 'run', v.run_key) order by v.version_number)
        from draenei_content.wallpaper_versions as v where v.wallhaven_id = w.wallhaven_id
    ) as versions,
    (
        select json_agg(json_build_object('attempt', a.attempt, 'outcome', a.outcome, 'reason', a.reason,
            'run', a.run_key, 'at', a.finished_at) order by a.attempt)
        from ops.uploads as a where a.wallhaven_id = w.wallhaven_id
    ) as attempts,
    origin.facts as origin
from shown
join draenei_content.wallpapers as w on shown.wallhaven_id = w.wallhaven_id
join ops.uploads as u on w.wallhaven_id = u.wallhaven_id and u.outcome = 'stored' and u.lost_at is null
left join lives on w.wallhaven_id = lives.wallhaven_id
left join clusters on w.wallhaven_id = clusters.wallhaven_id
left join near on w.wallhaven_id = near.id
left join lateral ({thumbnail}) as small on true
left join lateral ({thumbnail_large}) as large on true
left join lateral (
    select json_build_object(
        'version', v.version_number, 'page', p.object_key, 'page_sha256', p.body_sha256, 'request', p.request,
        'position', regexp_replace(v.observation_key, '^.* ', '')::integer, 'address', r.source_address,
        'run', r.run_key, 'run_state', r.state, 'code', r.code_version, 'settings', r.settings_sha256) as facts
    from draenei_content.wallpaper_versions as v
    join ops.runs as r on v.run_key = r.run_key
    join ops.pages as p on v.run_key = p.run_key and v.page_name = p.page_name and p.source = 'wallhaven'
    where v.wallhaven_id = w.wallhaven_id and p.status = 200
    order by v.observation_key desc, p.entity limit 1
) as origin on true
order by w.wallhaven_id collate "C"
"""
THUMBNAIL = """
select d.object_key from ops.derivatives as d
where d.source_sha256 = w.sha256 and d.operation = 'thumbnail' and d.status = 'made'
order by d.recipe = %({recipe})s desc, d.made_at desc limit 1
"""
REVIEW = """
with shown as ({shown}),
{duplicates}
select
    a.wallhaven_id as a, b.wallhaven_id as b, a.sha256 as sha256_a, b.sha256 as sha256_b,
    pairs.distance, pairs.kind
from pairs
join standing as ones on pairs.wallhaven_id_a = ones.body
join standing as others on pairs.wallhaven_id_b = others.body
join draenei_content.wallpapers as a on ones.id = a.wallhaven_id
join draenei_content.wallpapers as b on others.id = b.wallhaven_id
where a.sha256 <> b.sha256
order by pairs.distance, a.wallhaven_id collate "C", b.wallhaven_id collate "C"
"""
DECIDED = """
select sha256_a, sha256_b, verdict, to_char(decided_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as decided_at
from {verdicts} order by 1, 2
"""
QUERIES = """
select query_key as key, min(query) as text, count(*) as pictures
from draenei_content.wallpaper_queries group by query_key order by query_key collate "C"
"""
QUERIES_OF_KAGGLE = gallery_kaggle.QUERIES.format(shown=gallery_kaggle.SHOWN)
SUMMED = "select concat_ws(' ', count(*), sum(hashtextextended(({what})::text, 0))) from {table} as t where {which}"
THUMBNAILS = """
select concat_ws(' ', count(*), max(made_at)) from ops.derivatives where operation = 'thumbnail' and source_sha256 {of}
"""
# One picture more than is shown, which says whether all are. What is asked of them is found by indexes.
SHOWN_STATE = """
with shown as materialized (
    select wallhaven_id, updated_at, sha256 from draenei_content.wallpapers
    where wallhaven_id = any(array({newest} + 1))
)
select concat_ws('|',
    (select sum(hashtextextended(concat_ws(' ', wallhaven_id, updated_at), 0)) from shown),
    ({thumbnails}), ({lives}), ({found}), (select string_agg(t::text, ' ') from ({queries}) as t)
)
"""
OF_SHOWN = "wallhaven_id = any(array(select wallhaven_id from shown))"
WALLPAPERS_STATE = SHOWN_STATE.format(
    newest=NEWEST,
    thumbnails=THUMBNAILS.format(of="= any(array(select sha256 from shown))"),
    lives=SUMMED.format(table=LIFECYCLE, what="t", which=OF_SHOWN),
    found=SUMMED.format(table="draenei_content.wallpaper_queries", what="t", which=OF_SHOWN),
    queries=QUERIES,
)
STATE = {
    "ops.archive_entries": SUMMED.format(
        table="ops.archive_entries", what="sha256", which="outcome = 'stored' and lost_at is null"
    ),
    "ops.derivatives": THUMBNAILS.format(of="in (select sha256 from ops.archive_entries)"),
    WALLPAPERS: WALLPAPERS_STATE,
    **{
        table: SUMMED.format(table=table, what="t", which="true")
        for table in (
            *(DUPLICATES.pairs, DUPLICATES.clusters, VERDICTS),
            *(gallery_kaggle.IMAGES, gallery_kaggle.PRODUCTS),
            *(gallery_kaggle.DUPLICATES.pairs, gallery_kaggle.DUPLICATES.clusters),
        )
    },
}

# What has to have happened for any of these to change. Verdicts, pairs and queries come by a build; the lifecycle is
# read live, from answers of 404 and 401, from what left a listing, and from takedowns.
HAPPENED = """
select md5(concat_ws('|',
    (
        select string_agg(build_id || coalesce(invocation_id, ' runs'), ' ' order by build_id)
        from (select build_id, invocation_id from ops.builds order by build_id desc limit 20) as latest
    ),
    (select max(started_at) from ops.dbt_builds),
    (
        select string_agg(pid::text, ' ' order by pid) from pg_stat_activity
        where datname = current_database() and application_name = 'dbt'
    ),
    (select max(upload_id) from ops.uploads), (select max(repair_id) from ops.repairs),
    (select concat_ws(' ', count(*), count(lifted_at)) from ops.tombstones),
    (select count(*) from ops.listing_changes where not present),
    (
        select count(*) from ops.pages
        where source = 'wallhaven' and entity = 'wallpaper' and status in (401, 404) and page_name like 'w-%'
    ),
    (select max(passed_at) from ops.derive_passes)
))
"""


def as_of(cursor: Cursor) -> str:
    """A word that changes, without a look at any picture, whenever `state` may.

    When a build begins, and when it ends: what it commits in between has to be looked at afterwards.
    """
    cursor.execute(HAPPENED)
    row = cursor.fetchone()
    assert row, "a select without from gives one row"
    return str(row[0])


def state(cursor: Cursor, most: int) -> str:
    """A word that changes with what is shown: wallpapers, thumbnails, duplicates, verdicts, lives, queries.

    most: as pictures() has it. No row leaves the server. Of wallpapers it asks for those that are shown; what is whole
    is how many each query found, the duplicates, and what Kaggle's tables say.
    """
    parts = [f"({sql})" for table, sql in STATE.items() if selects.exists(cursor, table)]
    cursor.execute(f"select md5(concat_ws('|', {', '.join(parts)}))", {"most": most})
    row = cursor.fetchone()
    assert row, "a select without from gives one row"
    return str(row[0])


def pictures(cursor: Cursor, small: str, large: str, most: int) -> Iterator[dict[str, Any]]:
    """Of each source the newest stored pictures, at most so many, by id; fetched as they are asked for.

    small, large: recipes of the thumbnails, see steps/recipes.py.
    """
    thumbnails = {"thumbnail": THUMBNAIL.format(recipe="small"), "thumbnail_large": THUMBNAIL.format(recipe="large")}
    given = {"small": small, "large": large, "most": most}
    if selects.exists(cursor, gallery_kaggle.IMAGES):
        duplicates = gallery_kaggle.DUPLICATES.queries(cursor, gallery_kaggle.SHOWN_IDS)
        sql = gallery_kaggle.PICTURES.format(shown=gallery_kaggle.SHOWN, duplicates=duplicates, **thumbnails)
        yield from map(gallery_kaggle.as_shown, _streamed(cursor, sql, given))
    if not selects.exists(cursor, WALLPAPERS):
        return
    duplicates = DUPLICATES.queries(cursor, "select wallhaven_id from shown")
    sql = PICTURES.format(shown=NEWEST, duplicates=duplicates, **thumbnails)
    yield from _streamed(cursor, sql, given)


def most_stored(cursor: Cursor) -> int:
    """Stored pictures of the source that has the most."""
    sources = {WALLPAPERS: SHOWN, gallery_kaggle.IMAGES: f"select 1 {gallery_kaggle.SHOWN}"}
    counts = [f"(select count(*) from ({sql}) as s)" for table, sql in sources.items() if selects.exists(cursor, table)]  # noqa: S608
    cursor.execute(f"select greatest({', '.join(counts)})")
    row = cursor.fetchone()
    return int(row[0]) if row else 0


def queries(cursor: Cursor) -> list[dict[str, Any]]:
    """Every query that found something: key, text, pictures; a dataset is one."""
    datasets = QUERIES_OF_KAGGLE if selects.exists(cursor, gallery_kaggle.IMAGES) else None
    wallpapers = QUERIES if selects.exists(cursor, WALLPAPERS) else None
    return [row for sql in (datasets, wallpapers) if sql for row in selects.rows(cursor, sql)]


def review(cursor: Cursor, most: int) -> list[dict[str, Any]]:
    """Near duplicates among the newest that a person can judge, the nearest first; [] before dbt has made any."""
    if not selects.exists(cursor, DUPLICATES.pairs):
        return []
    duplicates = DUPLICATES.queries(cursor, "select wallhaven_id from shown")
    return selects.rows(cursor, REVIEW.format(shown=NEWEST, duplicates=duplicates), {"most": most})


def verdicts(cursor: Cursor) -> list[dict[str, Any]]:
    """What people have decided before: sha256_a, sha256_b, verdict, decided_at."""
    return selects.rows(cursor, DECIDED.format(verdicts=VERDICTS)) if selects.exists(cursor, VERDICTS) else []


def require_models(cursor: Cursor) -> None:
    """Raise WarehouseError when dbt has not built the wallpapers yet."""
    if not has_models(cursor):
        raise WarehouseError("nothing was collected yet", mend="Start with: luigi --module luigi_tasks Collect")


def has_models(cursor: Cursor) -> bool:
    """Whether dbt has built pictures that can be shown."""
    return selects.exists(cursor, WALLPAPERS) or selects.exists(cursor, gallery_kaggle.IMAGES)


def _streamed(cursor: Cursor, sql: str, arguments: Mapping[str, object]) -> Iterator[dict[str, Any]]:
    from psycopg2.extras import RealDictCursor

    # Every row is fetched: a plan that is quick for the first tenth alone is the wrong one.
    cursor.execute("set local cursor_tuple_fraction = 1")
    with closing(cursor.connection.cursor("gallery", cursor_factory=RealDictCursor)) as streaming:
        streaming.execute(sql, arguments)
        yield from map(dict, streaming)
