"""Collections of any size, made inside the server: listings, loads, and an upload's outcome for every item.

Items have the API's 18 fields and about 700 bytes each, 24 stand on a page, and a batch has at most 100 pages.
"""

from __future__ import annotations

from psycopg2.extensions import cursor as Cursor

PER_PAGE, PAGES_PER_BATCH = 24, 100
RUN = "wallhaven/draenei/growth"
ENTER_RUN = f"""
insert into ops.runs (run_key, source, query_key, query, parameters, run_id, state, code_version, settings_sha256,
                      source_address)
values ('{RUN}', 'wallhaven', 'wallhaven/draenei', 'draenei', '{{"q": "draenei"}}', '2026-01-01T00:00', 'succeeded',
        'benchmark', 'benchmark', 'http://127.0.0.1/api/v1')
on conflict do nothing
"""
ENTER_PAGES = """
with opened as (
    insert into ops.batches (run_key)
    select %(run)s from generate_series(1, ceil((%(last)s - %(first)s + 1) / %(per_batch)s::numeric)::integer)
    returning batch_id
),
numbered as (select batch_id, row_number() over (order by batch_id) - 1 as number from opened),
pages as (
    insert into ops.pages (run_key, source, entity, page_name, request, status, object_key, body_sha256, body_bytes,
                           content_type, fetched_at)
    select %(run)s, 'wallhaven', 'search', 'page-' || lpad(page::text, 8, '0'), '{}', 200,
           'raw/' || page, encode(sha256(page::text::bytea), 'hex'), 20000, 'application/json',
           '2026-01-01'::timestamptz + page * interval '1 second'
    from generate_series(%(first)s, %(last)s) as page
    returning *
)
insert into ops.loads (page_id, batch_id, source, entity, run_key, page_name, body_sha256, fetched_at, received, loaded,
                       duplicate, quarantined)
select page_id, batch_id, source, entity, run_key, page_name, body_sha256, fetched_at, %(per_page)s, %(per_page)s, 0, 0
from pages
inner join numbered on numbered.number = (substr(page_name, 6)::integer - %(first)s) / %(per_batch)s
"""
ENTER_ITEMS = """
insert into raw.wallhaven_search (body_sha256, position, record_id, payload, batch_id, fetched_at)
select loads.body_sha256, position, made.id,
       jsonb_build_object(
           'id', made.id, 'url', 'https://wallhaven.cc/w/' || made.id, 'short_url', 'https://whvn.cc/' || made.id,
           'views', number %% 90000, 'favorites', number %% 700, 'source', '',
           'purity', (array['sfw', 'sfw', 'sketchy'])[1 + number %% 3],
           'category', (array['general', 'anime', 'people'])[1 + number %% 3],
           'dimension_x', 1920, 'dimension_y', 1080, 'resolution', '1920x1080', 'ratio', '1.78',
           'file_size', 500000 + number, 'file_type', (array['image/jpeg', 'image/png'])[1 + number %% 2],
           'created_at', to_char('2014-01-01'::timestamp + number * interval '1 minute', 'YYYY-MM-DD HH24:MI:SS'),
           'colors', '["#424153", "#0066cc", "#999999", "#cccccc", "#000000"]'::jsonb,
           'path', 'https://w.wallhaven.cc/full/' || left(made.id, 2) || '/wallhaven-' || made.id || '.jpg',
           'thumbs', jsonb_build_object(
               'large', 'https://th.wallhaven.cc/lg/' || left(made.id, 2) || '/' || made.id || '.jpg',
               'original', 'https://th.wallhaven.cc/orig/' || left(made.id, 2) || '/' || made.id || '.jpg',
               'small', 'https://th.wallhaven.cc/small/' || left(made.id, 2) || '/' || made.id || '.jpg'
           )
       ),
       loads.batch_id, loads.fetched_at
from ops.loads as loads
cross join generate_series(0, %(per_page)s - 1) as position
cross join lateral (select (substr(loads.page_name, 6)::integer - 1) * %(per_page)s + position) as numbers (number)
cross join lateral (select lpad(to_hex(number), 6, '0')) as made (id)
where loads.run_key = %(run)s and loads.page_name >= 'page-' || lpad(%(first)s::text, 8, '0')
    and loads.page_name <= 'page-' || lpad(%(last)s::text, 8, '0')
"""
ENTER_UPLOADS = """
insert into ops.uploads (run_key, wallhaven_id, attempt, outcome, s3_key, sha256, bytes, content_type, started_at,
                         finished_at)
select %(run)s, record_id, 1, 'stored', 'wallpapers/' || record_id || '.jpg',
       encode(sha256(record_id::bytea), 'hex'), 500000, 'image/jpeg', fetched_at, fetched_at
from raw.wallhaven_search
"""
SEE_AGAIN = """
with opened as (insert into ops.batches (run_key) values (%(run)s) returning batch_id),
page as (
    insert into ops.pages (run_key, source, entity, page_name, request, status, object_key, body_sha256, body_bytes,
                           content_type, fetched_at)
    select run_key, source, entity, 'again-' || clock_timestamp(), request, status, 'raw/' || clock_timestamp(),
           body_sha256, body_bytes, content_type, clock_timestamp()
    from ops.pages where run_key = %(run)s and page_name = 'page-00000001'
    returning *
)
insert into ops.loads (page_id, batch_id, source, entity, run_key, page_name, body_sha256, fetched_at, received, loaded,
                       duplicate, quarantined)
select page_id, batch_id, source, entity, run_key, page_name, body_sha256, fetched_at, %(per_page)s, 0, %(per_page)s, 0
from page, opened
"""


def add_items(
    cursor: Cursor, first_page: int, pages: int, per_page: int = PER_PAGE, per_batch: int = PAGES_PER_BATCH
) -> None:
    """Load so many pages of new items, numbered from first_page (1 is the first of all)."""
    given = {"run": RUN, "first": first_page, "last": first_page + pages - 1}
    given |= {"per_page": per_page, "per_batch": per_batch}
    cursor.execute(ENTER_RUN)
    cursor.execute(ENTER_PAGES, given)
    cursor.execute(ENTER_ITEMS, given)


def register_all(cursor: Cursor) -> None:
    """Enter every item that is loaded as stored."""
    cursor.execute(ENTER_UPLOADS, {"run": RUN})


def see_again(cursor: Cursor, per_page: int = PER_PAGE) -> None:
    """Load a page whose body is known: what a run that finds nothing new has to tell."""
    cursor.execute(SEE_AGAIN, {"run": RUN, "per_page": per_page})
