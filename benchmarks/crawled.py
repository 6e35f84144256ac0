"""Makes a collection (collection.py) look as years of runs leave it: what crawls, details, pictures and runs write.

A first crawl that read everything there was, later ones that brought a record each and stopped at what is known, one in
fifty of them that found a record gone. One item in twenty has its detail, one in a hundred a second version, one in
fifty no picture; every other picture is measured, but plain as far as duplicates go after the first 20,000, and has
derivatives up to a million. All inside the server, in sets.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from psycopg2.extensions import cursor as Cursor

from benchmarks.collection import RUN
from luigi_tasks.domain.derivatives import Recipe
from luigi_tasks.domain.run import Query

STEPS = ("Fetch", "Load", "FetchDetails", "LoadDetails", "Model", "Freeze", "Publish", "Derive", "Remodel", "Report")
NODES = 60
GONE_EVERY = 50  # runs
# Pictures whose hashes say something: all that share a band are compared, of random hashes N / 80,660 with each.
TELLING = 20_000
DERIVED = 1_000_000  # of more, nothing that is measured beside them asks
BEGUN = "'2026-01-10'::timestamptz"
LISTED = """
create temporary table listed on commit drop as
select record_id, (payload ->> 'created_at')::timestamp as uploaded_at from raw.wallhaven_search
"""
ENDS = """
select newest.*, oldest.*, (select count(*) from listed)
from (select uploaded_at, record_id from listed order by uploaded_at desc limit 1) as newest,
    (select uploaded_at, record_id from listed order by uploaded_at limit 1) as oldest
"""
RUNS = f"""
update ops.runs set query_key = %(key)s, query = %(text)s, parameters = %(parameters)s, started_at = {BEGUN},
    finished_at = {BEGUN} + interval '1 hour'
where run_key = %(run)s;
insert into ops.runs (run_key, source, query_key, query, parameters, run_id, state, code_version, settings_sha256,
                      source_address, started_at, finished_at)
select %(key)s || '/' || to_char(moment, 'YYYY-MM-DD"T"HH24:MI'), source, query_key, query, parameters,
       to_char(moment, 'YYYY-MM-DD"T"HH24:MI'), state, code_version, settings_sha256, source_address, moment,
       moment + interval '5 seconds'
from ops.runs cross join generate_series(1, %(runs)s) as n
cross join lateral (select {BEGUN} + n * interval '30 minutes') as moments (moment)
where run_key = %(run)s;
insert into ops.steps (run_key, step, started_at, finished_at, result)
select run_key, step, started_at, finished_at, '{{}}' from ops.runs cross join unnest(%(steps)s) as step
where query_key = %(key)s;
insert into ops.dbt_nodes (run_key, step, invocation_id, unique_id, resource_type, status, execution_seconds)
select run_key, 'Model', run_key, 'test.draenei.' || n, 'test', 'pass', 0.01
from ops.runs cross join generate_series(1, %(nodes)s) as n where query_key = %(key)s;
insert into ops.run_metrics (run_key, contribution) select run_key, '{{}}' from ops.runs where query_key = %(key)s
"""
PAGES = """
insert into ops.batches (run_key) select run_key from ops.runs where query_key = %(key)s and run_key <> %(run)s;
with newest as (
    select page_id from ops.pages where run_key = %(run)s and entity = 'search' order by page_name desc limit 2
),
seen as (
    insert into ops.pages (run_key, source, entity, page_name, request, status, object_key, body_sha256, body_bytes,
                           content_type, fetched_at)
    select r.run_key, p.source, p.entity, p.page_name, p.request, p.status, 'raw/' || r.run_key || p.page_name,
           p.body_sha256, p.body_bytes, p.content_type, r.started_at
    from ops.runs as r cross join newest inner join ops.pages as p using (page_id)
    where r.query_key = %(key)s and r.run_key <> %(run)s
    returning *
)
insert into ops.loads (page_id, batch_id, source, entity, run_key, page_name, body_sha256, fetched_at, received, loaded,
                       duplicate, quarantined)
select s.page_id, b.batch_id, s.source, s.entity, s.run_key, s.page_name, s.body_sha256, s.fetched_at,
       l.received, 0, l.received, 0
from seen as s
inner join ops.batches as b using (run_key)
cross join lateral (select received from ops.loads where body_sha256 = s.body_sha256 limit 1) as l
"""
LISTING = f"""
create temporary table later on commit drop as
select run_key, row_number() over (order by started_at desc) as n
from ops.runs where query_key = %(key)s and run_key <> %(run)s;
insert into ops.listing_changes (run_key, query_key, record_id, uploaded_at, present)
select coalesce(run_key, %(run)s), %(key)s, record_id, uploaded_at, true
from (select *, row_number() over (order by uploaded_at desc) as n from listed) as numbered left join later using (n);
with oldest as (
    select record_id, uploaded_at, {GONE_EVERY} * row_number() over (order by uploaded_at) as n
    from (select * from listed order by uploaded_at limit %(runs)s / {GONE_EVERY}) as first
)
insert into ops.listing_changes (run_key, query_key, record_id, uploaded_at, present)
select run_key, %(key)s, record_id, uploaded_at, false from oldest inner join later using (n)
"""
CERTIFICATES = """
insert into ops.certificates (run_key, query_key, ordered, stopped_at, reads, rereads, ids_seen, intervals, gaps,
                              total_first, total_last, accounted_total, unexplained, first_read_at, last_read_at)
select run_key, query_key, true, case when run_key = %(run)s then 'end' else 'known' end, pages.number, 0,
       pages.received, '[]', '[]', %(total)s, %(total)s, %(total)s, 0, started_at, started_at
from ops.runs cross join lateral (
    select count(*) as number, sum(received) as received from ops.pages inner join ops.loads using (page_id)
    where pages.run_key = runs.run_key
) as pages
where query_key = %(key)s;
insert into ops.coverage (run_key, query_key, newest_at, newest_id, oldest_at, oldest_id, to_end)
select run_key, query_key, %(newest_at)s, %(newest_id)s, %(oldest_at)s, %(oldest_id)s, true
from ops.certificates where query_key = %(key)s;
insert into ops.sweep_slices (run_key, query_key, rotation, newest_at, newest_id, oldest_at, oldest_id, to_end, page,
                              total, reads, last_read_at)
select run_key, query_key, 1, newest_at, newest_id, oldest_at, oldest_id, true, c.reads, %(total)s, c.reads,
       clock_timestamp()
from ops.coverage inner join ops.certificates as c using (run_key, query_key) where run_key = %(run)s;
update ops.certificates set counted = true where run_key in (select run_key from ops.counted_certificates)
"""
DETAILS = """
insert into ops.batches (run_key) select %(run)s;
with seen as (
    insert into ops.pages (run_key, source, entity, page_name, request, status, object_key, body_sha256, body_bytes,
                           content_type, fetched_at)
    select %(run)s, 'wallhaven', 'wallpaper', 'w-' || record_id, '{}', 200, 'raw/w-' || record_id,
           encode(sha256(('w-' || record_id)::bytea), 'hex'), 2000, 'application/json', '2026-01-10'
    from (select record_id, row_number() over (order by record_id) as n from listed) as numbered where n %% 20 = 0
    returning *
),
loads as (
    insert into ops.loads (page_id, batch_id, source, entity, run_key, page_name, body_sha256, fetched_at, received,
                           loaded, duplicate, quarantined)
    select page_id, (select max(batch_id) from ops.batches), source, entity, run_key, page_name, body_sha256,
           fetched_at, 1, 1, 0, 0
    from seen
    returning *
)
insert into raw.wallhaven_wallpaper (body_sha256, position, record_id, payload, batch_id, fetched_at)
select l.body_sha256, 0, r.record_id, r.payload || %(more)s::jsonb, l.batch_id, l.fetched_at
from loads as l inner join raw.wallhaven_search as r on r.record_id = substr(l.page_name, 3)
"""
MORE = """
{"uploader": {"username": "somebody", "group": "User", "avatar": {}},
 "tags": [{"id": 1, "name": "draenei", "alias": "", "category_id": 1, "category": "Characters", "purity": "sfw",
           "created_at": "2014-01-01 00:00:00"},
          {"id": 2, "name": "armour", "alias": "", "category_id": 2, "category": "Things", "purity": "sfw",
           "created_at": "2014-01-01 00:00:00"}]}
"""
VERSIONS = """
insert into ops.batches (run_key) select %(run)s;
with seen as (
    insert into ops.pages (run_key, source, entity, page_name, request, status, object_key, body_sha256, body_bytes,
                           content_type, fetched_at)
    select run_key, source, entity, page_name || '-r1', request, status, object_key || '-r1',
           encode(sha256((page_name || '-r1')::bytea), 'hex'), body_bytes, content_type, fetched_at + interval '1 day'
    from ops.pages where run_key = %(run)s and entity = 'search' and right(page_name, 2) = '07'
    returning *
),
loads as (
    insert into ops.loads (page_id, batch_id, source, entity, run_key, page_name, body_sha256, fetched_at, received,
                           loaded, duplicate, quarantined)
    select s.page_id, (select max(batch_id) from ops.batches), s.source, s.entity, s.run_key, s.page_name,
           s.body_sha256, s.fetched_at, l.received, l.received, 0, 0
    from seen as s inner join ops.loads as l on l.run_key = s.run_key and l.page_name || '-r1' = s.page_name
    returning *
)
insert into raw.wallhaven_search (body_sha256, position, record_id, payload, batch_id, fetched_at)
select l.body_sha256, r.position, r.record_id, r.payload || '{"purity": "sketchy", "favorites": 701}', l.batch_id,
       l.fetched_at
from loads as l
inner join ops.loads as before on before.run_key = l.run_key and before.page_name || '-r1' = l.page_name
inner join raw.wallhaven_search as r on r.body_sha256 = before.body_sha256
"""
PICTURES = """
update ops.uploads set outcome = 'gone', reason = '404' where upload_id %% 50 = 7;
insert into ops.manifests (run_key, items) select %(run)s, count(*) from ops.uploads;
insert into ops.manifest_items
    (manifest_id, position, wallhaven_id, image_url, s3_key, file_type, file_size, width, height)
select manifest_id, upload_id, wallhaven_id, 'https://w.wallhaven.cc/' || wallhaven_id, s3_key, content_type, bytes,
       1920, 1080
from ops.uploads cross join ops.manifests where manifests.run_key = %(run)s;
insert into ops.manifests (run_key, items)
select run_key, 0 from ops.runs where query_key = %(key)s and run_key <> %(run)s;
insert into ops.image_metadata (sha256, status, measured_with, bytes, format, mode, width, height, has_profile, exif,
                                colours, brightness, entropy, dhash, phash)
select sha256, 'measured', %(library)s, bytes, 'JPEG', 'RGB', 1920, 1080, false, '{}',
       '["#424153", "#0066cc", "#999999"]', 0.5, case when upload_id <= %(telling)s then 7 else 1 end,
       ('x' || left(sha256, 16))::bit(64)::bigint,
       ('x' || right(sha256, 16))::bit(64)::bigint
from ops.uploads where outcome = 'stored';
insert into ops.derivatives (source_sha256, recipe, operation, parameters, library, status, object_key, sha256, bytes,
                             content_type)
select sha256, recipe, 'thumbnail', '{}', %(library)s, 'made', 'derivatives/' || sha256 || '/' || recipe, sha256, 9000,
       'image/webp'
from ops.uploads cross join unnest(%(recipes)s::text[]) as recipe
where outcome = 'stored' and upload_id <= %(derived)s
"""


def add_crawl(
    cursor: Cursor, query: Query, library: str, recipes: Sequence[Recipe] = (), runs: int = 1000, nodes: int = NODES
) -> int:
    """To a collection that is registered and not built yet; returns what the source claims as its total by then.

    query: whose listing it is from now on. library: what measured the pictures. runs: how many came after the first.
    nodes: of dbt, a run.
    """
    cursor.execute(LISTED)
    cursor.execute(ENDS)
    ((newest_at, newest_id, oldest_at, oldest_id, items),) = cursor.fetchall()
    total = int(items) - runs // GONE_EVERY
    given = {"run": RUN, "key": query.key, "runs": runs, "steps": list(STEPS), "nodes": nodes, "library": library}
    given |= {"text": query.text, "parameters": json.dumps(dict(query.parameters))}
    given |= {"newest_at": newest_at, "newest_id": newest_id, "oldest_at": oldest_at, "oldest_id": oldest_id}
    given |= {"total": total, "recipes": [recipe.digest for recipe in recipes], "more": MORE}
    given |= {"telling": TELLING, "derived": DERIVED}
    for sql in (RUNS, PAGES, LISTING, CERTIFICATES, DETAILS, VERSIONS, PICTURES):
        cursor.execute(sql, given)
    return total
