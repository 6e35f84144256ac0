"""One digest a run, quiet when nothing changed; the ping after a success; nothing secret in what is said."""

from __future__ import annotations

import http.server
import json
from collections.abc import Iterator
from typing import Any

import pytest

from luigi_tasks.domain.errors import NotificationError, SettingsError
from luigi_tasks.steps import notify, reports
from tests.conftest import Warehouse
from tests.loopback import QuietHandler, running

RUN = "wallhaven/draenei-1a2b3c4d/2026-11-21T07:00"
SECRET = "token-9a1f"


class Service(QuietHandler):
    """Takes digests by POST and pings by GET."""

    heard: list[tuple[str, str, Any]]
    status = 200

    def _hear(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.heard.append((self.command, self.path, json.loads(body) if body else None))
        self.send_response(self.status)
        self.end_headers()

    do_GET = do_POST = _hear


@pytest.fixture
def service() -> Iterator[tuple[str, type[Service]]]:
    """host:port of a service on loopback, and its class, which remembers what it heard."""
    handler = type("OneService", (Service,), {"heard": []})
    with running(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)) as server:
        yield f"127.0.0.1:{server.server_port}", handler


def enter_run(warehouse: Warehouse, state: str = "succeeded", error: str | None = None) -> None:
    """A run as it stands in the ledger before any model was built."""
    warehouse.rows(
        "insert into ops.runs (run_key, source, query_key, query, parameters, run_id, state, code_version,"
        " settings_sha256, source_address, finished_at, error) values (%s, 'wallhaven', 'wallhaven/draenei-1a2b3c4d',"
        " 'draenei', '{}', '2026-11-21T07:00', %s, '1', '2', 'http://127.0.0.1:1', clock_timestamp(), %s)",
        RUN,
        state,
        error,
    )


def test_a_failure_is_told_with_its_error_and_the_command(
    warehouse: Warehouse, service: tuple[str, type[Service]]
) -> None:
    address, handler = service
    enter_run(warehouse, "failed", "Fetch: the source answered HTML")
    own = warehouse.settings(notify_urls=f"json://{address}/{SECRET}", deadman_url=f"http://{address}/{SECRET}/ping")
    assert notify.notify(own, RUN) == 1
    [(_, path, digest)] = handler.heard
    assert path == f"/{SECRET}"
    assert digest["title"] == f"Run {RUN} failed"
    assert "the source answered HTML" in digest["message"]
    assert "--run-id 2026-11-21T07:00" in digest["message"]
    assert digest["type"] == "failure"


def test_what_is_told_leads_where_others_can_look(warehouse: Warehouse, service: tuple[str, type[Service]]) -> None:
    address, handler = service
    enter_run(warehouse, "failed", "x")
    served = {"reports_url": "https://runs.example/reports/", "gallery_url": "https://runs.example/gallery"}
    for given in ({}, served):
        own = warehouse.settings(notify_urls=f"json://{address}/{SECRET}", **given)
        reports.path(own, RUN).parent.mkdir(parents=True, exist_ok=True)
        reports.path(own, RUN).touch()
        (own.draenei_home / "gallery").mkdir(exist_ok=True)
        (own.draenei_home / "gallery" / "index.html").touch()
        notify.notify(own, RUN)
    at_home, elsewhere = (digest["message"] for _, _, digest in handler.heard)
    assert f"report      {reports.path(own, RUN).as_uri()}" in at_home
    assert f"gallery     {(own.draenei_home / 'gallery' / 'index.html').as_uri()}" in at_home
    assert f"report      https://runs.example/reports/{RUN.replace(':', '')}/report.html" in elsewhere
    assert "gallery     https://runs.example/gallery/index.html" in elsewhere
    assert str(own.draenei_home) not in elsewhere


def test_a_success_without_news_is_a_ping_and_no_digest(
    warehouse: Warehouse, service: tuple[str, type[Service]]
) -> None:
    address, handler = service
    enter_run(warehouse)
    own = warehouse.settings(notify_urls=f"json://{address}/{SECRET}", deadman_url=f"http://{address}/{SECRET}/ping")
    assert notify.notify(own, RUN) == 0
    assert [(method, path) for method, path, _ in handler.heard] == [("GET", f"/{SECRET}/ping")]
    assert notify.notify(own.model_copy(update={"notify_when": "always"}), RUN) == 1


@pytest.mark.parametrize("news", notify.NEWS)
def test_any_change_is_news_unless_only_failures_are_asked_for(news: str) -> None:
    facts = {"state": "succeeded", **dict.fromkeys(notify.NEWS, 0)}
    assert not notify.worth_telling(facts, "changes")
    assert notify.worth_telling({**facts, news: 1}, "changes")
    assert not notify.worth_telling({**facts, news: 1}, "failures")
    assert notify.worth_telling({**facts, "state": "killed"}, "failures")


def test_a_service_that_refuses_is_named_and_its_address_is_not(
    warehouse: Warehouse, service: tuple[str, type[Service]]
) -> None:
    address, handler = service
    handler.status = 500
    enter_run(warehouse, "failed", "x")
    with pytest.raises(NotificationError) as refused:
        notify.notify(warehouse.settings(notify_urls=f"json://{address}/{SECRET}"), RUN)
    assert "JSON" in str(refused.value)
    assert SECRET not in str(refused.value)


def test_a_ping_that_is_not_taken_is_said_without_its_path(
    warehouse: Warehouse, service: tuple[str, type[Service]]
) -> None:
    address, handler = service
    handler.status = 404
    enter_run(warehouse)
    with pytest.raises(NotificationError, match="HTTP 404") as refused:
        notify.notify(warehouse.settings(deadman_url=f"http://{address}/{SECRET}"), RUN)
    assert SECRET not in str(refused.value)


def test_a_ping_that_does_not_arrive_keeps_no_digest_back(
    warehouse: Warehouse, service: tuple[str, type[Service]]
) -> None:
    address, handler = service
    enter_run(warehouse)
    words = {"notify_urls": f"json://{address}/{SECRET}", "notify_when": "always"}
    with pytest.raises(NotificationError, match="no ping"):
        notify.notify(warehouse.settings(**words, deadman_url=f"http://127.0.0.1:1/{SECRET}"), RUN)
    assert [digest["title"] for _, _, digest in handler.heard] == [f"Run {RUN} succeeded"]


def test_what_is_no_address_is_a_setting_to_mend(warehouse: Warehouse) -> None:
    enter_run(warehouse, "failed", "x")
    with pytest.raises(SettingsError, match="NOTIFY_URLS") as refused:
        notify.notify(warehouse.settings(notify_urls=f"nonsense-{SECRET}"), RUN)
    assert SECRET not in str(refused.value)
