"""Publish in a process of its own, killed or told to stop in the middle, and then started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator

import pytest

from luigi_tasks.domain.progress import Silent
from luigi_tasks.steps.publish import publish
from tests.conftest import Warehouse
from tests.integration.gated_fixtures import PICTURES, PROGRAM, Gate, held_back, stored
from tests.integration.publish_fixtures import Publishing


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def publishing(warehouse: Warehouse, gate: Gate) -> Iterator[Publishing]:
    with held_back(warehouse, gate, padding=200_000) as publishing:
        yield publishing


def start_and_signal(publishing: Publishing, gate: Gate, run_key: str, number: signal.Signals, after: int) -> int:
    """Start a publish, signal it once so many are stored; its exit code."""
    gate.let(after - stored(publishing) + 3)
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), run_key]
    with subprocess.Popen(command, env=os.environ | publishing.environ | {"UPLOAD_CONCURRENCY": "4"}) as process:
        deadline = time.monotonic() + 30
        while stored(publishing) < after:
            assert process.poll() is None, "it ended before it could be signalled"
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(number)
        if number != signal.SIGKILL:
            time.sleep(1)
            gate.opened.set()
        return process.wait(timeout=20)


def test_after_kill_9_the_same_run_completes_and_nothing_is_there_twice(publishing: Publishing, gate: Gate) -> None:
    run_key = publishing.freeze("1")
    for after in (1, 9, 17):
        assert start_and_signal(publishing, gate, run_key, signal.SIGKILL, after) == -signal.SIGKILL
        assert stored(publishing) < PICTURES
    gate.opened.set()
    publish(publishing.settings(), run_key, publishing.store, Silent())
    publishing.assert_all_stored_once()
    attempts = publishing.warehouse.rows("select outcome, attempt, count(*) from ops.uploads group by 1, 2")
    assert attempts == [("stored", 1, PICTURES)]


def test_a_put_without_its_row_is_found_and_registered(publishing: Publishing, gate: Gate) -> None:
    """As after a kill between the put and the registration."""
    gate.opened.set()
    run_key = publishing.freeze("1")
    publish(publishing.settings(), run_key, publishing.store, Silent())
    publishing.warehouse.rows("delete from ops.uploads where wallhaven_id < 'w00012'")
    publish(publishing.settings(), run_key, publishing.store, Silent())
    publishing.assert_all_stored_once()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_told_to_stop_stops_soon_and_cleanly(
    publishing: Publishing, gate: Gate, number: signal.Signals
) -> None:
    run_key = publishing.freeze("1")
    begun = time.monotonic()
    assert start_and_signal(publishing, gate, run_key, number, after=4) == 77
    assert time.monotonic() - begun < 10
    assert 4 <= stored(publishing) <= 4 + 3 + 4, "what was in flight may be finished, nothing new is begun"
    assert list((publishing.folder / ".tmp").iterdir()) == []
    assert publishing.warehouse.rows("select * from ops.upload_intents") == []
    assert set(publishing.outcomes(run_key).values()) == {"stored"}
    publish(publishing.settings(), run_key, publishing.store, Silent())
    publishing.assert_all_stored_once()
