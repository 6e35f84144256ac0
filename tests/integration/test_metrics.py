"""Counters grow by what a run added, once, also when the run goes on after a failure."""

from __future__ import annotations

import http.server
import re
from pathlib import Path
from typing import ClassVar

import pytest
from prometheus_client.parser import text_string_to_metric_families

from luigi_tasks.domain.errors import NotificationError, SettingsError
from luigi_tasks.gateways import metrics_ledger
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.steps import metric_series, metrics
from tests.conftest import Warehouse
from tests.loopback import QuietHandler, running

RUN = "wallhaven/draenei-1a2b3c4d/2026-11-21T07:00"


def enter(warehouse: Warehouse, state: str) -> None:
    """A run that ended, with one page."""
    warehouse.rows(
        "insert into ops.runs (run_key, source, query_key, query, parameters, run_id, state, code_version,"
        " settings_sha256, source_address, finished_at) values (%s, 'wallhaven', 'wallhaven/draenei-1a2b3c4d',"
        " 'draenei', '{}', '2026-11-21T07:00', %s, '1', '2', 'http://127.0.0.1:1', clock_timestamp())",
        RUN,
        state,
    )
    add_page(warehouse, 1, 200)


def add_page(warehouse: Warehouse, number: int, status: int) -> None:
    warehouse.rows(
        "insert into ops.pages (run_key, source, entity, page_name, request, status, object_key, body_sha256,"
        " body_bytes, content_type, fetched_at) values (%s, 'wallhaven', 'search', %s, '{}', %s, %s, 'x', 1,"
        " 'application/json', clock_timestamp())",
        RUN,
        f"page-{number}",
        status,
        f"raw/{number}",
    )


def add_step(warehouse: Warehouse, step: str, seconds: int) -> None:
    warehouse.rows(
        "insert into ops.steps (run_key, step, started_at, finished_at, result)"
        " values (%s, %s, now() - %s * interval '1 second', now(), '{}')",
        RUN,
        step,
        seconds,
    )


def told(path: Path) -> dict[str, float]:
    """The samples of a metrics file."""
    lines = [line.rsplit(" ", 1) for line in path.read_text().splitlines() if not line.startswith("#")]
    return {series: float(value) for series, value in lines}


def test_a_run_counts_once_and_what_it_adds_later_counts_too(warehouse: Warehouse) -> None:
    enter(warehouse, "failed")
    add_step(warehouse, "Fetch", 10)
    own = warehouse.settings()
    first = told(metrics.tell(own, RUN))
    assert first['draenei_pages_total{entity="search",source="wallhaven",status="200"}'] == 1
    assert first['draenei_run_ends_total{source="wallhaven",state="failed"}'] == 1
    assert first['draenei_last_run_failed{source="wallhaven"}'] == 1
    assert 'draenei_last_success_timestamp_seconds{source="wallhaven"}' not in first
    assert "draenei_pending_uploads" not in str(first)
    warehouse.rows("update ops.runs set state = 'succeeded'")
    add_page(warehouse, 2, 200)
    add_page(warehouse, 3, 404)
    add_step(warehouse, "Load", 70)
    second = told(metrics.tell(own, RUN))
    assert second['draenei_pages_total{entity="search",source="wallhaven",status="200"}'] == 2
    assert second['draenei_pages_total{entity="search",source="wallhaven",status="404"}'] == 1
    assert second['draenei_run_ends_total{source="wallhaven",state="succeeded"}'] == 1
    assert second['draenei_last_run_failed{source="wallhaven"}'] == 0
    assert second['draenei_last_success_timestamp_seconds{source="wallhaven"}'] > 1e9


def test_what_a_source_may_count_is_told_as_0_before_it_happens(warehouse: Warehouse) -> None:
    """Every label that a rule's increase() asks for, of every source that may have it."""
    metrics.begin(warehouse.settings())
    first = told(metrics.file(warehouse.settings()))
    for source in CATALOGUE:
        for outcome in ("answered", "throttled", "refused", "failed", "unreachable", "unusable"):
            assert first[f'draenei_requests_total{{outcome="{outcome}",source="{source}"}}'] == 0
        for kind in ("model", "test"):
            assert first[f'draenei_dbt_nodes_total{{source="{source}",status="error",type="{kind}"}}'] == 0
        assert first[f'draenei_dbt_nodes_total{{source="{source}",status="fail",type="test"}}'] == 0
    assert first['draenei_uploads_total{outcome="corrupt",source="wallhaven"}'] == 0
    outcomes = "select pg_get_constraintdef(oid) from pg_constraint where conname = 'requests_outcome_check'"
    assert set(re.findall("'(.*?)'", warehouse.rows(outcomes)[0][0])) == set(metric_series.REQUESTS)
    enter(warehouse, "failed")
    warehouse.rows("insert into ops.requests values (%s, 'throttled', 2)", RUN)
    second = told(metrics.tell(warehouse.settings(), RUN))
    assert second['draenei_requests_total{outcome="throttled",source="wallhaven"}'] == 2
    assert second['draenei_requests_total{outcome="throttled",source="sales"}'] == 0


def test_each_source_has_its_budget_and_its_interval(warehouse: Warehouse) -> None:
    own = warehouse.settings(expected_minutes="sales=0, wallhaven=60", randomuser_rate_per_minute=7)
    found = told(metrics.write(own))
    budgets = {source: found[f'draenei_request_budget{{source="{source}"}}'] for source in CATALOGUE}
    assert budgets == {"wallhaven": 45, "jsonplaceholder": 60, "randomuser": 7, "kaggle": 30, "sales": 60}
    name = "draenei_expected_interval_seconds"
    seconds = {source: found.get(f'{name}{{source="{source}"}}') for source in CATALOGUE}
    week = 7 * 86_400
    assert seconds == {"wallhaven": 3600, "jsonplaceholder": 1800, "randomuser": 60, "kaggle": week, "sales": None}
    with pytest.raises(SettingsError, match="EXPECTED_MINUTES: nobody is no source"):
        metrics.write(warehouse.settings(expected_minutes="nobody=5"))


@pytest.mark.parametrize(
    ("minutes", "missing"),
    [
        ("", None),
        ("07:00", 0),
        ("07:00 07:01 07:02", 0),
        ("07:00 07:02", 1),
        ("07:00 07:02! 07:03", 2),
        ("07:00 07:01 07:04", 2),
        ("07:00 07:01 07:09!", 7),
    ],
)
def test_minutes_that_no_run_has_are_missing(warehouse: Warehouse, minutes: str, missing: int | None) -> None:
    """A minute with ! failed. The one in which the last run ended may still be at work: it is not missing yet."""
    for minute in minutes.split():
        warehouse.rows(
            "insert into ops.runs (run_key, source, query_key, query, parameters, run_id, state, code_version,"
            " settings_sha256, source_address, started_at, finished_at) select 'randomuser/x/' || m, 'randomuser',"
            " 'randomuser/x', '', '{}', '2026-11-21T' || m, %s, '1', '2', 'http://127.0.0.1:1', t, t"
            " from (select %s, ('2026-11-21T' || %s || ':09Z')::timestamptz) as given (m, t)",
            "failed" if minute.endswith("!") else "succeeded",
            minute.rstrip("!"),
            minute.rstrip("!"),
        )
    found = told(metrics.write(warehouse.settings()))
    assert found.get('draenei_missing_minutes{source="randomuser"}') == missing


def test_minutes_that_are_too_old_to_be_filled_are_not_missing(warehouse: Warehouse) -> None:
    warehouse.rows(
        "insert into ops.runs (run_key, source, query_key, query, parameters, run_id, state, code_version,"
        " settings_sha256, source_address, started_at, finished_at) select run_id, 'randomuser', 'randomuser/x', '',"
        " '{}', run_id, 'succeeded', '1', '2', 'http://127.0.0.1:1', t, t from (values"
        " ('2026-11-10T00:00', '2026-11-10T00:00:03Z'::timestamptz),"
        " ('2026-11-21T07:00', '2026-11-21T07:00:03Z')) as given (run_id, t)"
    )
    found = told(metrics.write(warehouse.settings()))
    assert found['draenei_missing_minutes{source="randomuser"}'] == metrics_ledger.FILLED_MINUTES


def test_steps_are_a_histogram_with_every_bucket(warehouse: Warehouse) -> None:
    enter(warehouse, "succeeded")
    add_step(warehouse, "Fetch", 10)
    found = told(metrics.tell(warehouse.settings(), RUN))
    labels = 'source="wallhaven",step="Fetch"'
    buckets = {
        bound: found[f'draenei_step_seconds_bucket{{le="{bound}",{labels}}}']
        for bound in ("1", "5", "15", "60", "+Inf")
    }
    assert buckets == {"1": 0, "5": 0, "15": 1, "60": 1, "+Inf": 1}
    assert found[f"draenei_step_seconds_sum{{{labels}}}"] == pytest.approx(10, abs=0.01)
    assert found[f"draenei_step_seconds_count{{{labels}}}"] == 1


def test_bytes_of_an_archive_stay_counted_when_a_later_one_replaces_its_files(warehouse: Warehouse) -> None:
    enter(warehouse, "succeeded")
    stored = 'draenei_stored_bytes_total{source="wallhaven"}'
    warehouse.rows(
        "insert into ops.archive_entries (dataset, name, folder, run_key, outcome, object_key, sha256, bytes, crc32)"
        " select 'd', n::text, 'images', %s, 'stored', 'k' || n, repeat('a', 64), 700, 1 from generate_series(1, 2) n",
        RUN,
    )
    assert told(metrics.tell(warehouse.settings(), RUN))[stored] == 1400
    warehouse.rows(
        "insert into ops.archive_versions (object_key, dataset, name, run_key, sha256, bytes, crc32, entered_at,"
        " replaced_in) select object_key, dataset, name, run_key, sha256, bytes, crc32, entered_at, run_key"
        " from ops.archive_entries where name = '1'"
    )
    warehouse.rows("delete from ops.archive_entries where name = '1'")
    assert told(metrics.tell(warehouse.settings(), RUN))[stored] == 1400


def test_telling_twice_adds_an_end_and_nothing_else(warehouse: Warehouse) -> None:
    enter(warehouse, "succeeded")
    connection = warehouse.connect()
    try:
        with connection, connection.cursor() as cursor:
            metrics_ledger.add_run(cursor, RUN, "succeeded")
            before = metrics_ledger.totals(cursor)
            metrics_ledger.add_run(cursor, RUN, "succeeded")
            after = metrics_ledger.totals(cursor)
    finally:
        connection.close()
    changed = [series for series in after if series not in before]
    assert [name for name, _, _ in changed] == ["draenei_run_ends_total"]


def test_a_file_or_a_gateway_that_cannot_be_had_is_said(warehouse: Warehouse, tmp_path: Path) -> None:
    enter(warehouse, "succeeded")
    (tmp_path / "no-folder").write_text("")
    with pytest.raises(NotificationError, match="metrics were not written"):
        metrics.tell(warehouse.settings(metrics_file=tmp_path / "no-folder" / "draenei.prom"), RUN)
    with pytest.raises(NotificationError, match="metrics were not pushed"):
        metrics.tell(warehouse.settings(pushgateway_url="http://127.0.0.1:1"), RUN)


class Gateway(QuietHandler):
    """What a Pushgateway hears."""

    heard: ClassVar[list[tuple[str, str, str, str]]]
    status = 202

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.heard.append((self.command, self.path, self.headers["Content-Type"], body))
        self.send_response(self.status)
        self.end_headers()


def test_a_gateway_gets_what_the_file_holds_and_a_refusal_is_said(warehouse: Warehouse) -> None:
    enter(warehouse, "succeeded")
    add_step(warehouse, "Fetch", 10)
    handler = type("OneGateway", (Gateway,), {"heard": []})
    with running(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)) as server:
        own = warehouse.settings(pushgateway_url=f"http://127.0.0.1:{server.server_port}")
        path = metrics.tell(own, RUN)
        handler.status = 500
        with pytest.raises(NotificationError, match="metrics were not pushed: HTTP Error 500"):
            metrics.write(own)
    method, where, kind, body = handler.heard[0]
    assert (method, where) == ("PUT", "/metrics/job/draenei-collector"), "in place of what was pushed before"
    assert kind.startswith("text/plain; version=")
    pushed, written = ([*text_string_to_metric_families(text)] for text in (body, path.read_text()))
    assert pushed == written
    samples = {(one.name, one.labels.get("status"), one.value) for family in pushed for one in family.samples}
    assert ("draenei_pages_total", "200", 1.0) in samples
    assert {family.type for family in pushed} == {"counter", "gauge", "histogram"}
