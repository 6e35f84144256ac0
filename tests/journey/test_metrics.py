"""Metrics of a real run, scraped by the real Prometheus from a real luigid; every panel and alert is evaluated."""

from __future__ import annotations

import http.server
import json
import re
import secrets
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import psycopg2
import pytest
import requests
import yaml

from luigi_tasks.gateways import central_scheduler
from luigi_tasks.gateways.prometheus import HELP
from tests.journey.running import REPOSITORY, RUN, Pipeline, wait_until
from twin import Catalogue, Fault

DEPLOY = REPOSITORY / "deploy"
DASHBOARDS = {
    name: json.loads((DEPLOY / "grafana" / "dashboards" / f"{name}.json").read_text())
    for name in ("pipeline", "collection")
}
needs_prometheus = pytest.mark.skipif(
    not shutil.which("prometheus"), reason="prometheus is not installed (Debian's package has it)"
)


@pytest.fixture
def catalogue() -> Catalogue:
    """Three small wallpapers."""
    return Catalogue.generate(3, small=True)


def queries(name: str) -> list[tuple[str, str]]:
    """(panel's title, query) of a dashboard."""
    return [
        (panel["title"], target.get("expr") or target["rawSql"])
        for panel in DASHBOARDS[name]["panels"]
        for target in panel["targets"]
    ]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Prometheus:
    """The real server on loopback, with deploy/prometheus's files; only its target and its pace are the test's."""

    def __init__(self, folder: Path, target: str) -> None:
        folder.mkdir()
        own = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
        own["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        own["scrape_configs"][0]["static_configs"][0]["targets"] = [target]
        shutil.copy(DEPLOY / "prometheus" / "rules.yml", folder)
        (folder / "prometheus.yml").write_text(yaml.safe_dump(own))
        self.address = f"127.0.0.1:{free_port()}"
        self.log = (folder / "log").open("w")
        self.process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address={self.address}",
            ],
            stdout=self.log,
            stderr=self.log,
        )

    def ask(self, path: str, **parameters: str) -> Any:
        """data of an API answer; None while the server is not ready yet."""
        try:
            answer = requests.get(f"http://{self.address}/api/v1/{path}", params=parameters, timeout=5)
        except requests.ConnectionError:
            return None
        if answer.status_code == requests.codes.unavailable:
            return None
        found = answer.json()
        assert found["status"] == "success", (parameters, found)
        return found["data"]

    def samples(self, query: str) -> list[Any]:
        """What an instant query gives."""
        return (self.ask("query", query=query) or {"result": []})["result"]

    def firing(self) -> list[str]:
        """Names of the alerts that fire now."""
        alerts = (self.ask("alerts") or {"alerts": []})["alerts"]
        return [alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"]

    def close(self) -> None:
        self.process.kill()
        self.process.wait(10)
        self.log.close()


@pytest.fixture
def luigid(pipeline: Pipeline) -> Iterator[int]:
    """A luigid with the environment that `up --scheduler` gives it; its port."""
    port = free_port()
    environment = central_scheduler.environment(pipeline.home)
    child = pipeline.run("luigid", "--address", "127.0.0.1", "--port", str(port), **environment)
    wait_until(lambda: central_scheduler.answers(port), "luigid")
    yield port
    child.kill()


class Digests(http.server.BaseHTTPRequestHandler):
    """A service that remembers what it was told."""

    heard: ClassVar[list[dict[str, str]]] = []

    def do_POST(self) -> None:
        self.heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def told() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A service's address for NOTIFY_URLS, and the digests that it got."""
    handler = type("OneService", (Digests,), {"heard": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"json://127.0.0.1:{server.server_port}/", handler.heard
        server.shutdown()


@needs_prometheus
def test_a_run_is_scraped_from_luigid_and_every_query_is_answered(
    pipeline: Pipeline, luigid: int, tmp_path: Path, told: tuple[str, list[dict[str, str]]]
) -> None:
    service, digests = told
    with_luigid = ("--scheduler-host", "127.0.0.1", "--scheduler-port", str(luigid))
    pipeline.twin.faults.add(Fault("throttle", "search", retry_after=3))
    prometheus = Prometheus(tmp_path / "prometheus", f"127.0.0.1:{luigid}")
    try:
        done = pipeline.collect(RUN, *with_luigid, DEADMAN_URL="http://127.0.0.1:1/hidden-path", NOTIFY_URLS=service)
        assert done.returncode == 0, done.stderr
        assert done.stderr.endswith("no ping: ConnectionError (127.0.0.1).\n")
        assert "hidden-path" not in done.stdout + done.stderr
        [digest] = digests
        assert digest["title"].startswith(f"Run wallhaven/draenei-9a950608/{RUN} succeeded in ")
        assert "seen        3 of 3" in digest["message"]
        assert "uploaded    3 pictures" in digest["message"]
        assert "report      file://" in digest["message"]
        assert pipeline.verb("fsck").returncode == 0
        assert_what_luigid_says(luigid)
        assert wait_until(prometheus.firing, "an alert") == ["SourceThrottles"], "the first 429 of all is seen"
        assert_every_panel_has_data(prometheus, luigid)
        assert_rules_are_evaluated(prometheus, pipeline)
    finally:
        prometheus.close()
    assert_the_readers_login_is_answered(pipeline)


def assert_the_readers_login_is_answered(pipeline: Pipeline) -> None:
    """Every panel of the collection, asked by a login such as Compose makes for Grafana."""
    login, password = f"grafana_{secrets.token_hex(6)}", secrets.token_hex(12)
    made = pipeline.run("python", "deploy/create_reader.py", "--login", login, READER_PASSWORD=password).ended()
    assert made.returncode == 0, made.stderr
    there = {word: pipeline.environ[f"PG{word.upper()}"] for word in ("host", "port")}
    there |= {"dbname": pipeline.environ["PGDATABASE"], "user": login, "password": password}
    try:
        with closing(psycopg2.connect(**there)) as reader, reader, reader.cursor() as cursor:
            for title, query in queries("collection"):
                cursor.execute(query)
                assert cursor.fetchall(), title
    finally:
        pipeline.rows(f"drop role {login}")


def assert_every_panel_has_data(prometheus: Prometheus, port: int) -> None:
    """The wallpapers' run answers them all but one: no source of this run has a run a minute."""
    told = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text
    for title, query in queries("pipeline"):
        # A rate is of two scrapes, and they are a second apart.
        assert title == "Minutes missing" or wait_until(lambda query=query: prometheus.samples(query), title)
        for metric in re.findall(r"\b(?:draenei|luigi)_\w+", query):
            assert re.search(rf"^{metric}{{", told, re.MULTILINE) or title == "Minutes missing", metric
    stored = prometheus.samples('draenei_uploads_total{outcome="stored"}')
    assert [sample["value"][1] for sample in stored] == ["3"]


def assert_what_luigid_says(port: int) -> None:
    told = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=5)
    assert told.headers["Content-Type"].startswith("text/plain")
    lines = told.text.splitlines()
    assert 'luigi_task_done_total{family="Publish",source="wallhaven"} 1.0' in lines
    assert 'draenei_step_seconds_count{source="wallhaven",step="Publish"} 1.0' in lines
    assert 'draenei_run_ends_total{source="wallhaven",state="succeeded"} 1.0' in lines
    assert 'draenei_requests_total{outcome="throttled",source="wallhaven"} 1.0' in lines
    assert 'draenei_records_total{entity="search",result="loaded",source="wallhaven"} 3.0' in lines


def assert_rules_are_evaluated(prometheus: Prometheus, pipeline: Pipeline) -> None:
    """Every rule is right, and an object that is gone raises its alert as soon as fsck has missed it."""
    rules = wait_until(
        lambda: [
            rule
            for group in (prometheus.ask("rules") or {"groups": []})["groups"]
            for rule in group["rules"]
            if rule["health"] == "ok"
        ],
        "rules that were evaluated",
    )
    assert len(rules) == len(yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text())["groups"][0]["rules"])
    next((pipeline.home / "objects" / "wallpapers").iterdir()).unlink()
    assert pipeline.verb("fsck").returncode == 1
    wait_until(lambda: "ObjectsDamaged" in prometheus.firing(), "the alert of the damage that fsck found")
    assert sorted(prometheus.firing()) == ["ObjectsDamaged", "SourceThrottles"]


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed (it comes with prometheus)")
@pytest.mark.parametrize("words", [["check", "rules", "rules.yml"], ["test", "rules", "rules.test.yml"]])
def test_the_alert_rules_are_right_on_planted_numbers(words: list[str]) -> None:
    done = subprocess.run(["promtool", *words], cwd=DEPLOY / "prometheus", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


def test_the_dashboards_are_as_the_script_makes_them() -> None:
    command = [sys.executable, str(DEPLOY / "grafana" / "make_dashboards.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert [len(board["panels"]) for board in DASHBOARDS.values()] == [19, 7]


def test_every_metric_is_on_a_panel_or_in_an_alert_and_every_alert_is_tried() -> None:
    rules = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text())["groups"][0]["rules"]
    asked = " ".join([*(rule["expr"] for rule in rules), *(query for _, query in queries("pipeline"))])
    shown = set(re.findall(r"\bdraenei_\w+?(?=_total\b|_bucket\b|\b)", asked))
    assert shown == HELP.keys()
    tried = (DEPLOY / "prometheus" / "rules.test.yml").read_text()
    fired = set(re.findall(r"alertname=\"(\w+)\"[^}]*}', value: [1-9]", tried))
    assert fired == {rule["alert"] for rule in rules}
