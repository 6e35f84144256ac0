"""Several workers, a central scheduler, its page while a run goes on, and a backfill."""

from __future__ import annotations

import json
import re
import socket
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.journey.running import RUN, Child, Pipeline, wait_until
from tests.prove.depth import DEEP
from twin import Catalogue, Fault

BEFORE_REPORT = ["Derive", "Fetch", "FetchDetails", "Freeze", "Load", "LoadDetails", "Model", "Publish", "Remodel"]
TASKS = ["Collect", *BEFORE_REPORT, "Report"]
NEXT_RUN = "2026-11-21T07:01"


@dataclass(frozen=True)
class Luigid:
    """A central scheduler, as `up --scheduler` starts it."""

    port: int

    @property
    def words(self) -> tuple[str, str]:
        """What luigi is told."""
        return "--scheduler-port", str(self.port)

    def ask(self, method: str, **data: object) -> Any:
        """The answer of luigid's own API, which its page reads too."""
        url = f"http://127.0.0.1:{self.port}/api/{method}?data={quote(json.dumps(data))}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.loads(answer.read())["response"]

    def tasks(self, status: str) -> dict[str, dict[str, Any]]:
        """Tasks of a status by family."""
        return {task["name"]: task for task in self.ask("task_list", status=status, upstream_status="").values()}

    def running(self, family: str) -> dict[str, Any]:
        """The task of a family, as long as it runs."""
        return self.tasks("RUNNING").get(family, {})


@pytest.fixture
def luigid(pipeline: Pipeline) -> Iterator[Luigid]:
    """A luigid on a free port of loopback."""
    yield from started_luigid(pipeline)


def started_luigid(pipeline: Pipeline) -> Iterator[Luigid]:
    """Start it, and stop it after the test."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = pipeline.verb("up", "--scheduler", "--port", str(port))
    assert started.returncode == 0, started.stderr
    assert f"http://127.0.0.1:{port}/static/visualiser/index.html" in started.stdout
    yield Luigid(port)
    assert "luigid     stopped" in pipeline.verb("down").stdout


@pytest.fixture
def catalogue() -> Catalogue:
    """Two pages."""
    return Catalogue.generate(30, small=True)


def test_a_run_with_workers_is_watched_in_the_schedulers_page(pipeline: Pipeline, luigid: Luigid) -> None:
    pipeline.twin.faults.add(Fault("slow", "image", times=None, seconds=0.5))
    child = pipeline.start(RUN, "--workers", "3", *luigid.words, UPLOAD_CONCURRENCY="3")
    seen = watch_publish(pipeline, luigid)
    ended = child.ended()
    assert ended.returncode == 0, ended.stderr
    pipeline.whole()
    assert len(seen) >= 3
    assert any(re.fullmatch(r"\d+/30 images, [\d.]+ KiB, ETA \d+:\d\d", message) for message in seen)
    done = luigid.tasks("DONE")
    assert sorted(name for name in done if not name.startswith("dbt.")) == TASKS
    assert done["Publish"]["status_message"].startswith("30/30 images")
    assert done["Publish"]["progress_percentage"] == 100
    report = next(pipeline.home.glob("reports/*/*/*/report.html"))
    steps = [task for name, task in done.items() if name != "Collect" and not name.startswith("dbt.")]
    assert {task["tracking_url"] for task in steps} == {report.as_uri()}
    assert f"  report      {report.as_uri()}\n" in ended.stdout
    reports = pipeline.home / "reports"
    assert f'href="{report.relative_to(reports)}"' in (reports / "index.html").read_text()
    (root,) = [
        name for name in luigid.ask("task_list", status="DONE", upstream_status="") if name.startswith("Collect")
    ]
    graph = luigid.ask("dep_graph", task_id=root)
    assert sorted(node["name"] for node in graph.values() if not node["name"].startswith("dbt.")) == TASKS
    nodes = {(node["params"]["step"], node["name"]) for node in graph.values() if node["name"].startswith("dbt.")}
    assert nodes == {(step, kind) for step in ("Model", "Remodel") for kind in ("dbt.model", "dbt.seed", "dbt.test")}
    assert luigid.ask("task_list", status="PENDING", upstream_status="") == {}
    with urllib.request.urlopen(f"http://127.0.0.1:{luigid.port}/static/visualiser/index.html", timeout=5) as page:
        assert b"Luigi" in page.read()


def watch_publish(pipeline: Pipeline, luigid: Luigid) -> set[str]:
    """The messages of Publish while it runs; none says more than the ledger does."""
    seen: set[str] = set()
    wait_until(lambda: luigid.running("Publish"), "Publish")
    while task := luigid.running("Publish"):
        if told := re.match(r"(\d+)/30 images", task["status_message"] or ""):
            seen.add(task["status_message"])
            assert int(told[1]) <= pipeline.count("ops.uploads")
            assert task["progress_percentage"] in (None, *range(int(told[1]) * 100 // 30 + 1))
    return seen


@pytest.mark.prove
def test_the_page_is_never_two_seconds_old(pipeline: Pipeline, luigid: Luigid) -> None:
    """All pictures but one come at once; the page shows them all while the last one takes its time."""
    last = pipeline.twin.catalogue.ids[0]
    pipeline.twin.faults.add(Fault("slow", "image", id=last, seconds=600))
    child = pipeline.start(RUN, *luigid.words)
    wait_until(lambda: pipeline.count("ops.uploads") == 29, "29 pictures")

    def shown() -> bool:
        task = luigid.running("Publish")
        words = task.get("status_message") or ""
        return words.startswith("29/30 images") and task["progress_percentage"] == 96  # told one after the other

    assert wait_until(shown, "it", 2)
    kill_and_go_on(pipeline, luigid, child)


def kill_and_go_on(pipeline: Pipeline, luigid: Luigid, child: Child) -> None:
    """The scheduler still believes in the dead worker; the same command goes on all the same."""
    child.kill()
    assert luigid.running("Publish")
    pipeline.twin.faults.clear()
    ended = pipeline.collect(RUN, *luigid.words)
    assert (ended.returncode, ended.stderr) == (0, "")
    pipeline.whole()


@DEEP
def test_a_failure_is_told_in_the_page_and_mended_by_the_same_command(pipeline: Pipeline, luigid: Luigid) -> None:
    pipeline.twin.faults.add(Fault("status", "search", status=403, times=None))
    failed = pipeline.collect(RUN, "--workers", "2", *luigid.words)
    assert failed.returncode == 30, failed.stderr
    assert "Traceback" not in failed.stderr
    (name,) = [
        name for name in luigid.ask("task_list", status="FAILED", upstream_status="") if name.startswith("Fetch_")
    ]
    tracked = luigid.ask("task_list", status="FAILED", upstream_status="")[name]["tracking_url"]
    assert "403: the source refuses us" in Path(urlsplit(tracked).path).read_text(), "one click away"
    error = luigid.ask("fetch_error", task_id=name)["error"]
    assert "403: the source refuses us" in error
    assert "Traceback" not in error
    assert pipeline.rows("select state from ops.runs") == [("failed",)]
    pipeline.twin.faults.clear()
    ended = pipeline.collect(RUN, "--workers", "2", *luigid.words)
    assert ended.returncode == 0, ended.stderr
    pipeline.whole()


@pytest.mark.prove
def test_a_backfill_over_run_ids(pipeline: Pipeline) -> None:
    what = ["--of", "Collect", "--param-name", "run_id"]
    when = ["--start", "2026-11-21T0700", "--stop", "2026-11-21T0702", "--now", "1795248000"]
    command = ("luigi", "--module", "luigi_tasks", "RangeByMinutes", *what, *when, "--workers", "2")
    ended = pipeline.run(*command).ended()
    assert (ended.returncode, ended.stderr) == (0, "")
    assert pipeline.rows("select run_id, state, error from ops.runs order by run_id") == [
        (RUN, "succeeded", None),
        (NEXT_RUN, "succeeded", None),
    ]
    pipeline.whole()
    assert len(pipeline.twin.image_requests()) == 30
    assert [pipeline.audit(run)["pending_after"] for run in (RUN, NEXT_RUN)] == [0, 0]
    pipeline.twin.clear_requests()
    again = pipeline.run(*command).ended()
    assert again.returncode == 0, again.stderr
    assert pipeline.twin.requests == []
