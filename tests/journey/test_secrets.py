"""No secret in argv, output, logs, the scheduler's pages, dbt's files, objects or the database: canaries tell."""

from __future__ import annotations

import contextlib
import gzip
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from luigi_tasks.gateways.embedded_postgres import Server
from tests.journey.running import RUN, Child, Pipeline
from tests.journey.test_workers_and_scheduler import Luigid, luigid
from tests.prove.depth import DEEP
from twin import Account, Catalogue, Fault, Twin

__all__ = ["luigid"]

KEY = "canary-wallhaven-a1b2c3d4"
CANARIES = {
    "WALLHAVEN_API_KEY": KEY,
    "AWS_ACCESS_KEY_ID": "canary-aws-id-e5f6",
    "AWS_SECRET_ACCESS_KEY": "canary-aws-secret-g7h8",
    "AWS_SESSION_TOKEN": "canary-aws-token-i9j0",
}
NEXT_RUN = "2026-11-21T07:01"


@pytest.fixture
def twin(catalogue: Catalogue) -> Iterator[Twin]:
    """A twin with an account, which knows the key."""
    with Twin(catalogue, rate_per_minute=1_000_000, account=Account(key=KEY)) as twin:
        yield twin


def argv_while_it_runs(child: Child) -> set[str]:
    """Every word of every command line below a process, read until it ends."""
    words: set[str] = set()
    root = psutil.Process(child.pid)
    while child.runs():
        for process in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):  # also for a zombie
                words.update(process.cmdline())
    return words


def everything_in_the_database(pipeline: Pipeline) -> str:
    """Every row of every table and view of ours, and the texts of queries that the server shows."""
    relations = pipeline.rows(
        "select format('%I.%I', table_schema, table_name) from information_schema.tables"
        " where table_schema not in ('pg_catalog', 'information_schema')"
    )
    assert len(relations) > 20
    rows = [json.dumps(pipeline.rows(f"select to_jsonb(r) from {name} as r")) for (name,) in relations]
    return "\n".join([*rows, json.dumps(pipeline.rows("select query, application_name from pg_stat_activity"))])


def everything_in(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below a folder, unpacked where it is packed."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            body = path.read_bytes()
            yield str(path), gzip.decompress(body) if path.suffix == ".gz" else body


def pages(luigid: Luigid) -> str:
    """What luigid shows: its page, its tasks in every state, their errors, its workers."""
    with urllib.request.urlopen(f"http://127.0.0.1:{luigid.port}/static/visualiser/index.html", timeout=5) as answer:
        said = [answer.read().decode()]
    tasks = [
        luigid.ask("task_list", status=status, upstream_status="")
        for status in ("DONE", "FAILED", "PENDING", "RUNNING")
    ]
    errors = [luigid.ask("fetch_error", task_id=name) for some in tasks for name in some]
    said += [json.dumps(found) for found in (tasks, errors, luigid.ask("worker_list"))]
    return "\n".join(said)


@pytest.mark.prove
def test_canaries_are_found_nowhere(pipeline: Pipeline, luigid: Luigid, postgres_server: Server) -> None:
    pipeline.environ |= CANARIES
    secrets = [*CANARIES.values(), postgres_server.password]
    words: set[str] = set()
    whole = pipeline.start(RUN, "--workers", "2", *luigid.words, DRAENEI_LOG_LEVEL="DEBUG")
    words |= argv_while_it_runs(whole)
    assert whole.ended().returncode == 0, whole.ended().stderr
    assert any("dbt" in word for word in words)
    pipeline.twin.faults.add(Fault("status", "search", status=401, times=None))
    failing = pipeline.start(NEXT_RUN, "--workers", "2", "--log-level", "DEBUG", *luigid.words)
    words |= argv_while_it_runs(failing)
    assert failing.ended().returncode == 30
    assert "401" in failing.ended().stderr
    verbs = [pipeline.verb(*verb) for verb in (("config", "--show-origin"), ("doctor",), ("plan",), ("status",))]

    seen = {
        "argv": "\n".join(words),
        "output": "\n".join(run.stdout + run.stderr for run in (whole.ended(), failing.ended(), *verbs)),
        "scheduler": pages(luigid),
        "database": everything_in_the_database(pipeline),
    }
    assert "draenei" in seen["database"]
    assert "WALLHAVEN_API_KEY=********" in seen["output"]
    files = dict(everything_in(pipeline.home.parent))
    assert any("dbt.log" in name for name in files)
    assert any("run_results.json" in name for name in files)
    assert any("/raw/wallhaven/" in name for name in files)
    for secret in secrets:
        assert [place for place, text in seen.items() if secret in text] == []
        assert [name for name, body in files.items() if secret.encode() in body] == []


@DEEP
def test_the_key_goes_to_the_api_alone_and_only_as_its_header(pipeline: Pipeline) -> None:
    ended = pipeline.collect(RUN, **CANARIES)
    assert ended.returncode == 0, ended.stderr
    pipeline.whole()
    assert {request.headers.get("x-api-key") for request in pipeline.twin.api_calls()} == {KEY}
    assert {request.headers.get("x-api-key") for request in pipeline.twin.image_requests()} == {None}
    for request in pipeline.twin.requests:
        others = {name: value for name, value in request.headers.items() if name != "x-api-key"}
        assert not any(canary in request.path + request.query + str(others) for canary in CANARIES.values())
