"""Reports of every source and the overview, written from ledgers that were filled by hand: every section has rows."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from luigi_tasks.sources import CATALOGUE
from luigi_tasks.sources.contract import Listing
from luigi_tasks.steps import overview, reports, run_report
from tests.conftest import Warehouse

MARTS = """
create schema if not exists draenei_content;
create view draenei_content.run_audit as
select run_key, source, run_id, query, state, error, started_at, finished_at, 60 as seen, 40 as inserted, 3 as updated,
    64 as received, 60 as loaded, 3 as duplicate, 1 as quarantined, 38 as uploaded, 5000000 as bytes, 2 as failures,
    '{"gone": 2}'::jsonb as failures_by_reason, 7 as pending_after, 67 as api_calls, 75.5 as duration_seconds
from ops.runs;
create view draenei_content.wallpapers as select 'stored' as upload_status;
create table draenei_content.sales_by_month as
select month::date as month_start, 123456.5 as revenue
from generate_series('2003-01-01'::date, '2005-05-01', interval '1 month') as month;
create table draenei_content.sales_by_territory as select 'EMEA' as territory, 1000 as revenue;
create table draenei_content.top_customers as
select 1 as place, 'Devereux Toys' as customer_name, 'France' as country, 3 as orders, 999.4 as revenue;
create table draenei_content.kaggle_product_counts as
select 'd' as dataset, 'season' as dimension, 'Summer' as value, 41 as products;
"""
RUNS = """
insert into ops.runs (run_key, source, query_key, query, parameters, run_id, state, code_version, settings_sha256,
                      source_address, started_at, finished_at, error)
select %(source)s || '/q/' || n, %(source)s, %(source)s || '/q', 'a query', '{}', '2026-11-21T07:0' || n,
       case n when 1 then 'succeeded' else 'failed' end, '0.1.0', 'x', 'http://127.0.0.1:1',
       '2026-11-21T07:00Z'::timestamptz + n * interval '1 minute',
       '2026-11-21T07:00:50Z'::timestamptz + n * interval '1 minute', case n when 2 then 'Model: a test failed' end
from generate_series(1, 2) as n
"""
LEDGERS = """
insert into ops.steps (run_key, step, started_at, finished_at, result)
values (%(run)s, 'Fetch', now() - interval '70 seconds', now(), '{}'),
       (%(run)s, 'Report', now() - interval '1 second', now(), %(report)s);
with page as (
    insert into ops.pages (run_key, source, entity, page_name, request, status, object_key, body_sha256, body_bytes,
                           content_type, fetched_at)
    select %(run)s, %(source)s, 'thing', n::text, '{}', 200, %(run)s || n, 'x', 1000, 'application/json',
           now() - n * interval '1 minute' from generate_series(1, 5) as n
    returning *
),
batch as (insert into ops.batches (run_key) values (%(run)s) returning batch_id),
load as (
    insert into ops.loads (page_id, batch_id, source, entity, run_key, page_name, body_sha256, fetched_at, received,
                           loaded, duplicate, quarantined)
    select page_id, batch_id, source, entity, run_key, page_name, body_sha256, fetched_at, 3, 1, 1, 1 from page, batch
)
insert into ops.quarantine (source, entity, page_id, batch_id, body_sha256, position, violations, record)
select source, entity, page_id, batch_id, %(run)s, page_id, '[{"path": "/a/long/field", "message": "is no number"}]', ''
from page, batch;
insert into ops.requests values (%(run)s, 'answered', 5), (%(run)s, 'throttled', 2);
insert into ops.uploads (run_key, wallhaven_id, attempt, outcome, reason, http_status, started_at)
select %(run)s, %(run)s || n, 1, 'gone', 'HTTP 404', 404, now() from generate_series(1, 4) as n;
insert into ops.dbt_nodes (run_key, step, invocation_id, unique_id, resource_type, status, execution_seconds, failures,
                           message)
select %(run)s, 'Model', %(run)s, 'test.draenei.not_null_int_things__versions_record_key.' || status, 'test', status,
       n, n, 'Got 7 results, configured to fail if != 0'
from unnest(array['pass', 'fail', 'warn', 'skipped', 'error']) with ordinality as given (status, n)
"""


def written(warehouse: Warehouse) -> dict[str, Path]:
    """The pages by their names: the overview, and of each source the report of a run that failed."""
    own = warehouse.settings()
    warehouse.rows(MARTS)
    (own.draenei_home / "gallery").mkdir(parents=True, exist_ok=True)
    (own.draenei_home / "gallery" / "index.html").touch()
    sheet = own.draenei_home / "sheet.webp"
    Image.effect_noise((600, 400), 60).save(sheet)
    pages = {}
    for name, source in CATALOGUE.items():
        run = f"{name}/q/2"
        told = {"contact_sheet": str(sheet)} if isinstance(source, Listing) or name == "kaggle" else {}
        _enter(warehouse, {"source": name, "run": run, "report": json.dumps(told)})
        pages[name] = reports.path(own, run)
    run_report.write(own, "wallhaven/q/1")
    return {"overview": overview.write(own), **pages}


def _enter(warehouse: Warehouse, given: dict[str, str]) -> None:
    connection = warehouse.connect()
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(RUNS, given)
            cursor.execute(LEDGERS, given)
    finally:
        connection.close()
