"""Several publishing processes for one run: what ends which of them, and what the parent makes of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from luigi_tasks.domain.errors import PipelineError, StoreError
from luigi_tasks.domain.progress import Silent
from luigi_tasks.steps.publish import publish
from tests.conftest import Warehouse
from tests.integration.gated_fixtures import PICTURES, PROGRAM, Gate, held_back, stored
from tests.integration.publish_fixtures import Publishing, Watching

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def publishing(warehouse: Warehouse, gate: Gate) -> Iterator[Publishing]:
    with held_back(warehouse, gate, padding=20_000) as publishing:
        yield publishing


def eventually(holds: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def children(pid: int) -> list[int]:
    return [
        int(child)
        for task in Path(f"/proc/{pid}/task").glob("*/children")
        for child in task.read_text().split()
        if b"publisher_child" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def publishers_of(pid: int) -> list[int]:
    """The publishers of a process, once there are three."""
    found: list[int] = []

    def all_there() -> bool:
        found[:] = [publisher for first in children(pid) for publisher in children(first)]
        return len(found) == 3

    eventually(all_there)
    return found


@pytest.fixture
def parent(publishing: Publishing, gate: Gate) -> Iterator[subprocess.Popen[str]]:
    """A publish by three processes that has stored four pictures and waits for the others."""
    own = {"UPLOAD_CONCURRENCY": "6", "UPLOAD_PROCESSES": "3"}
    gate.let(4)
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), publishing.freeze("1")]
    with subprocess.Popen(command, env=os.environ | publishing.environ | own, stderr=subprocess.PIPE, text=True) as it:
        eventually(lambda: stored(publishing) == 4 and gate.asked == 10)
        yield it
        it.kill()


def test_a_manifest_is_shared_and_its_progress_is_that_of_all(publishing: Publishing, gate: Gate) -> None:
    gate.opened.set()
    run_key, watching = publishing.freeze("1"), Watching()
    totals = publish(publishing.settings(upload_processes=3), run_key, publishing.store, watching)
    publishing.assert_all_stored_once()
    assert (totals.items, totals.open, totals.outcomes) == (PICTURES, 0, {"stored": PICTURES})
    size = sum(map(len, publishing.bodies.values()))
    assert watching.told[-1] == (PICTURES, PICTURES, size, "")
    workers = publishing.warehouse.rows("select last_value from ops.upload_workers")[0][0]
    assert workers >= 3


def test_what_a_killed_publisher_held_is_stored_by_the_others(
    publishing: Publishing, gate: Gate, parent: subprocess.Popen[str]
) -> None:
    os.kill(publishers_of(parent.pid)[0], signal.SIGKILL)
    gate.opened.set()
    assert parent.wait(20) == 0
    publishing.assert_all_stored_once()
    assert publishing.warehouse.rows("select max(attempt) from ops.uploads") == [(1,)]


def test_a_killed_parent_leaves_no_process(publishing: Publishing, parent: subprocess.Popen[str]) -> None:
    family = [*children(parent.pid), *publishers_of(parent.pid)]
    assert len(family) == 4
    parent.kill()
    eventually(lambda: not any(map(alive, family)), 5)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_all_stop_soon_and_cleanly(
    publishing: Publishing, gate: Gate, parent: subprocess.Popen[str], number: signal.Signals
) -> None:
    family = [*children(parent.pid), *publishers_of(parent.pid)]
    parent.send_signal(number)
    time.sleep(0.5)
    gate.opened.set()
    assert parent.wait(10) == 77
    assert not any(map(alive, family))
    assert stored(publishing) <= 4 + 6, "what was in flight may be finished, nothing new is begun"
    assert publishing.warehouse.rows("select * from ops.upload_claims") == []
    assert publishing.warehouse.rows("select * from ops.upload_intents") == []


def test_all_killed_is_an_error_that_says_what_to_do(parent: subprocess.Popen[str]) -> None:
    for publisher in publishers_of(parent.pid):
        os.kill(publisher, signal.SIGKILL)
    assert parent.wait(20) == 1
    said = parent.stderr.read() if parent.stderr else ""
    assert "all publishing processes ended early (exit codes [-9, -9, -9]). Run the same command again" in said


def test_all_told_to_stop_by_somebody_else_is_one_too(
    publishing: Publishing, gate: Gate, parent: subprocess.Popen[str]
) -> None:
    for publisher in publishers_of(parent.pid):
        os.kill(publisher, signal.SIGTERM)
    time.sleep(0.5)
    gate.opened.set()
    assert parent.wait(20) == 1, "most of the manifest is open"
    said = parent.stderr.read() if parent.stderr else ""
    assert "all publishing processes ended early (exit codes [1, 1, 1]). Run the same command again" in said


def test_an_error_of_one_fails_the_step_with_its_words_and_stops_all(publishing: Publishing, gate: Gate) -> None:
    run_key = publishing.freeze("1")
    gate.let(8)
    failed: list[BaseException] = []

    def run() -> None:
        try:
            publish(publishing.settings(upload_processes=3), run_key, publishing.store, Silent())
        except PipelineError as problem:
            failed.append(problem)

    thread = threading.Thread(target=run)
    thread.start()
    eventually(lambda: stored(publishing) == 8)
    publishing.folder.rename(publishing.folder.with_name("elsewhere"))
    publishing.folder.write_text("no folder")
    gate.opened.set()
    thread.join(20)
    assert [type(problem) for problem in failed] == [StoreError]
    assert str(publishing.folder) in str(failed[0])
    assert publishing.warehouse.rows("select * from ops.upload_claims") == []


def test_what_nobody_foresaw_fails_the_step_too(
    publishing: Publishing, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAENEI_FAULT", "publish.verify.after:2:exception")
    gate.opened.set()
    with pytest.raises(PipelineError, match="a publishing process failed: InjectedFault"):
        publish(publishing.settings(upload_processes=2), publishing.freeze("1"), publishing.store, Silent())
    assert publishing.warehouse.rows("select * from ops.upload_claims") == []
