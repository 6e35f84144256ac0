"""Reports say what the tables say, escape what they are given, load nothing, and stay as cheap as they are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

from luigi_tasks import settings as settings_module
from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways import postgres, report_ledger, run_ledger
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.steps import metrics, model, overview, reports, run_report, summary
from luigi_tasks.verbs.report import report as verb
from luigi_tasks.verbs.status import status
from tests.conftest import Warehouse
from tests.integration.report_fixtures import Page
from tests.integration.source_cases import World, started

EVIL = "<script>alert(1)</script><img src=//evil.test/x onerror=alert(2)>\"'&"


def settle(world: World, run_key: str) -> None:
    """End a run as its process does."""
    with postgres.transaction(world.settings) as cursor:
        run_ledger.settle_run(cursor, run_key)


def collected(world: World) -> str:
    """A run up to its settling, the report apart; its key."""
    run = world.run()
    world.fetch(run)
    world.load(run)
    model.build(world.settings, run.key, "Model", Silent(), model.selection("wallhaven"))
    world.warehouse.rows(
        "insert into ops.steps (run_key, step, started_at, result) values (%s, 'Report', now(), %s)",
        run.key,
        json.dumps({"pending": 3}),
    )
    settle(world, run.key)
    return run.key


def add_attempts(world: World, run_key: str) -> None:
    """Two pictures stored, three attempts that failed, one reason hostile."""
    world.warehouse.rows(
        "insert into ops.uploads (run_key, wallhaven_id, attempt, outcome, reason, s3_key, sha256, bytes, http_status,"
        " started_at) values (%(run)s, 'a1', 1, 'stored', '', 'k1', 's1', 1500, 200, now()),"
        " (%(run)s, 'a2', 1, 'stored', '', 'k2', 's2', 500, 200, now()),"
        " (%(run)s, 'a3', 1, 'gone', 'HTTP 404', null, null, null, 404, now()),"
        " (%(run)s, 'a4', 1, 'gone', 'HTTP 404', null, null, null, 404, now()),"
        " (%(run)s, 'a5', 1, 'corrupt', %(evil)s, null, null, null, 200, now())".replace("%(run)s", "%s").replace(
            "%(evil)s", "%s"
        ),
        *[run_key] * 5,
        EVIL,
    )


@pytest.fixture
def world(warehouse: Warehouse) -> Iterator[World]:
    with started("wallhaven") as twin:
        yield World("wallhaven", twin, warehouse)


def test_a_run_with_pictures_says_what_run_audit_says_and_escapes_everything(world: World) -> None:
    key = collected(world)
    add_attempts(world, key)
    world.warehouse.rows(
        "update ops.runs set query = %s, error = %s where run_key = %s", EVIL, f"Model: {EVIL}\x7f", key
    )
    world.warehouse.rows(
        "insert into ops.dbt_nodes (run_key, step, invocation_id, unique_id, resource_type, status, execution_seconds,"
        " failures, message) values (%s, 'Remodel', 'last', %s, 'test', 'fail', 99, 7, %s)",
        key,
        f"test.draenei.{EVIL}",
        EVIL,
    )
    world.warehouse.rows(
        "insert into ops.quarantine (source, entity, page_id, batch_id, body_sha256, position, violations, record)"
        " select 'wallhaven', 'search', p.page_id, b.batch_id, 'x', 1, %s, 'the record itself' from ops.pages p,"
        " ops.batches b where p.run_key = b.run_key limit 1",
        json.dumps([{"path": f"/{EVIL}", "message": EVIL}]),
    )
    world.warehouse.rows("insert into ops.requests values (%s, 'throttled', 17), (%s, 'failed', 1)", key, key)
    sheet = world.settings.draenei_home / "sheet.webp"
    sheet.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(sheet)
    drawn = json.dumps({"pending": 3, "contact_sheet": str(sheet)})
    world.warehouse.rows("update ops.steps set result = %s where step = 'Report'", drawn)
    page = Page(run_report.write(world.settings, key))
    page.assert_stands_alone()
    ((audit,),) = world.warehouse.rows("select to_jsonb(a) from draenei_content.run_audit a where run_key = %s", key)
    assert (audit["seen"], audit["uploaded"], audit["failures"], audit["bytes"]) == (30, 2, 3, 2000)
    assert page.tiles == page.tiles | {
        "records seen": "30",
        "new": str(audit["inserted"]),
        "pictures stored": "2",
        "bytes stored": "2.0 KiB",
        "failed attempts": "3",
        "pictures due now": "3",
        "API answers": str(audit["api_calls"]),
    }
    for number in ("30", "5", "3", "2"):  # seen; tried; downloaded: stored and corrupt; stored
        assert number in page.words["funnel"].split()
    assert "HTTP 404 2 404 a3, a4" in " ".join(page.words["failures"].split())
    assert "17 throttled 2 answered 1 failed" in " ".join(page.words["requests"].split())
    for section in ("failures", "dbt", "quarantine"):
        assert EVIL in page.words[section], section
    assert EVIL in page.words["error"]
    assert "the record itself" not in page.text
    assert [tag for tag, _ in page.tags].count("img") == 1
    assert "7" in page.words["dbt"].split()
    assert run_report.write(world.settings, key).read_text() == page.text, "the same tables, the same page"
    _assert_overview(world, key, audit)


def _assert_overview(world: World, key: str, audit: dict[str, Any]) -> None:
    metrics.tell(world.settings, key)
    second = world.run()
    world.warehouse.rows(
        "update ops.runs set state = 'killed', finished_at = clock_timestamp() where run_key = %s", second.key
    )
    page = Page(overview.tell(world.settings, key))
    page.assert_stands_alone()
    assert reports.path(world.settings, second.key).is_file(), "a killed run's report is caught up on"
    assert page.tiles["failed or killed"] == "1"
    assert page.tiles["pictures stored, ever"] == "2"
    assert page.tiles["pictures due"] == "3"
    assert EVIL in page.words["history"]
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a" and "T07" in str(attributes["href"])]
    assert len(links) == 2
    assert all((reports.folder(world.settings) / link).is_file() for link in links)
    assert str(audit["seen"]) in page.words["history"].split()
    only_one = world.settings.model_copy(update={"reports_kept": 1})
    overview.write(only_one)
    assert len(list(reports.folder(only_one).rglob(reports.NAME))) == 1


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_source_has_a_report_before_anything_was_modelled(warehouse: Warehouse, name: str) -> None:
    warehouse.rows(
        "insert into ops.runs (run_key, source, query_key, query, parameters, run_id, state, code_version,"
        " settings_sha256, source_address, error, finished_at) values (%s, %s, 'q', '', '{}', '2026-11-21T07:00',"
        " 'failed', '1', '2', 'http://127.0.0.1:1', 'Fetch: no answer', clock_timestamp())",
        key := f"{name}/all/2026-11-21T07:00",
        name,
    )
    own = warehouse.settings()
    page = Page(run_report.write(own, key))
    page.assert_stands_alone()
    assert page.words["error"] == "Fetch: no answer"
    assert "records seen" not in page.tiles, "a number that nobody counted is not 0"
    found = summary.facts(own, key)
    assert f"  report      {reports.path(own, key).as_uri()}" in summary.lines(found)
    Page(overview.write(own)).assert_stands_alone()


def test_a_source_with_a_run_a_minute_pushes_nobody_out(warehouse: Warehouse) -> None:
    """Of each source the last REPORTS_KEPT runs and reports, and a source that never ran is named."""
    own = warehouse.settings(reports_kept=200)
    enter_runs(warehouse, "sales", 1, "interval '1 day'")
    run_report.write(own, "sales/q/1")
    enter_runs(warehouse, "randomuser", 300, "interval '0'")
    for number in range(1, 301):
        (page := reports.path(own, f"randomuser/q/{number}")).parent.mkdir(parents=True)
        page.write_text("a report")
    page = Page(overview.write(own, most=0))
    kept = [path.relative_to(reports.folder(own)).parts[0] for path in reports.folder(own).rglob(reports.NAME)]
    assert (kept.count("sales"), kept.count("randomuser")) == (1, 200)
    assert (page.words["history"].count("sales"), page.words["history"].count("randomuser q")) == (1, 200)
    assert "was never collected" not in page.words["source-sales"] + page.words["source-randomuser"]
    for source in CATALOGUE.keys() - {"sales", "randomuser"}:
        assert f"was never collected: luigi --module luigi_tasks Collect --source {source}" in " ".join(
            page.words[f"source-{source}"].split()
        )


def enter_runs(warehouse: Warehouse, source: str, number: int, before: str) -> None:
    """Runs that succeeded, a minute apart, the last one so long ago."""
    warehouse.rows(
        "insert into ops.runs (run_key, source, query_key, query, parameters, run_id, state, code_version,"
        " settings_sha256, source_address, started_at, finished_at) select %s || '/q/' || n, %s, %s || '/q', 'q',"
        f" '{{}}', n::text, 'succeeded', '1', '2', 'h', at, at from generate_series(1, %s) n,"
        f" lateral (select now() - {before} - (%s - n) * interval '1 minute' as at) t",
        *(source, source, source, number, number),
    )


def test_status_names_every_source(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    enter_runs(warehouse, "sales", 2, "interval '1 day'")
    warehouse.rows(
        "create view draenei_content.run_audit as select *, 0 as seen, 0 as inserted,"
        " 0 as uploaded, 0 as failures, 0 as bytes, 1.0::double precision as duration_seconds from ops.runs"
    )
    monkeypatch.setattr(settings_module, "load", warehouse.settings)
    said = CliRunner().invoke(status, []).output.splitlines()
    assert "source      sales           2 runs, the latest 2 succeeded" in said
    for source in CATALOGUE.keys() - {"sales"}:
        assert f"source      {source:<16}was never collected" in said


MARTS = """
create schema if not exists draenei_content;
create table draenei_content.sales_by_month as select '2004-01-01'::date as month_start, 1234.5::numeric as revenue;
create table draenei_content.sales_by_territory as select %s::text as territory, 10::numeric as revenue;
create table draenei_content.top_customers as
select 1 as place, %s::text as customer_name, 'France'::text as country, 3 as orders, 999.4::numeric as revenue;
create table draenei_content.kaggle_product_counts as
select 'd' as dataset, 'season' as dimension, 'Summer' as value, 41 as products;
"""


def test_a_source_shows_its_own_numbers_where_their_tables_are(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse.rows(MARTS, EVIL, EVIL)
    shown = {}
    for name in ("sales", "kaggle"):
        key = f"{name}/all/2026-11-21T07:00"
        warehouse.rows(
            "insert into ops.runs (run_key, source, query_key, query, parameters, run_id, state, code_version,"
            " settings_sha256, source_address) values (%s, %s, 'q', '', '{}', 'r', 'failed', '1', '2', 'h')",
            key,
            name,
        )
        monkeypatch.setitem(CATALOGUE, name, CATALOGUE["jsonplaceholder"])
        shown[name] = Page(run_report.write(warehouse.settings(), key))
        shown[name].assert_stands_alone()
    titles = re.findall(r"<h2>(.*?)</h2>", shown["sales"].text)
    assert titles[-3:] == ["Revenue by month", "Revenue by territory", "Top customers"]
    assert "1,234" in shown["sales"].text
    assert "999" in shown["sales"].text
    assert "&lt;script&gt;alert(1)" in shown["sales"].text
    assert "Products by season" in shown["kaggle"].text
    assert "41" in shown["kaggle"].text
    assert "Products by category" not in shown["kaggle"].text, "what finds nothing is left out"


def test_the_verb_writes_both_pages(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings_module, "load", warehouse.settings)
    done = CliRunner().invoke(verb, [])
    assert done.output.startswith(f"overview  {(warehouse.home / 'reports' / 'index.html').as_uri()}\n"), done.exception
    refused = CliRunner().invoke(verb, ["no/such/run"])
    assert "there is no run no/such/run" in str(refused.exception)


def test_what_the_pages_ask_grows_with_a_run_and_not_with_the_ledger(warehouse: Warehouse) -> None:
    """No question of a page reads a ledger from end to end."""
    warehouse.rows(
        "insert into ops.runs (run_key, source, query_key, query, parameters, run_id, state, code_version,"
        " settings_sha256, source_address, started_at, finished_at) select 'w/q/' || n, 'wallhaven', 'w/q', '', '{}',"
        " n::text, 'succeeded', '1', '2', 'h', now() - n * interval '1 minute', now() - n * interval '1 minute'"
        " from generate_series(1, 3000) n"
    )
    warehouse.rows(
        "insert into ops.pages (run_key, source, entity, page_name, request, status, object_key, body_sha256,"
        " body_bytes, content_type, fetched_at) select 'w/q/' || n, 'wallhaven', 'search', 'p', '{}', 200, 'raw/' || n,"
        " n::text, 1, 'application/json', now() from generate_series(1, 3000) n"
    )
    warehouse.rows(
        "insert into ops.uploads (run_key, wallhaven_id, attempt, outcome, started_at)"
        " select 'w/q/' || n, n::text, 1, 'gone', now() from generate_series(1, 3000) n"
    )
    warehouse.rows("analyze")
    given = {"run": "w/q/7", "examples": 3, "limit": 50, "most": 5, "sources": ["wallhaven", "sales"]}
    asked = {**report_ledger.PARTS, **report_ledger.SINGLES, "last": report_ledger.LAST, "untold": report_ledger.UNTOLD}
    connection = warehouse.connect()
    try:
        with connection, connection.cursor() as cursor:
            for name, sql in asked.items():
                cursor.execute(f"explain {sql}", given)
                plan = "\n".join(row[0] for row in cursor.fetchall())
                assert not re.search(r"Seq Scan on (runs|pages|uploads)\b", plan), f"{name}\n{plan}"
    finally:
        connection.close()
