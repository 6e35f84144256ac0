"""Publish in a process of its own, killed or told to stop in the middle, and then started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator

import pytest

from luigi_tasks.domain.progress import Silent
from luigi_tasks.steps.publish import publish
from tests.conftest import Warehouse
from tests.image_server import Answer, Request, serving, whole
from tests.integration.publish_fixtures import Publishing
from tests.pictures import picture

PROGRAM = """
    import sys
    from luigi_tasks.domain.progress import Silent
    from luigi_tasks.gateways.objects import open_store
    from luigi_tasks.settings import load
    from luigi_tasks.steps.publish import publish
    try:
        publish(load(), sys.argv[1], open_store(load()), Silent())
    except KeyboardInterrupt:
        sys.exit(77)
"""


class Gate:
    """Lets the server answer a number of requests and holds the others back, until it is opened."""

    def __init__(self) -> None:
        self.asked, self.free, self.opened = 0, 0, threading.Event()
        self._counting = threading.Lock()

    def let(self, number: int) -> None:
        """So many more requests are answered."""
        self.free = self.asked + number

    def before(self, answer: Answer) -> Answer:
        """The answer, once the gate lets it through."""

        def held(request: Request) -> None:
            with self._counting:
                self.asked += 1
                turn = self.asked
            while turn > self.free and not self.opened.wait(0.01):
                pass
            answer(request)

        return held


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def publishing(warehouse: Warehouse, gate: Gate) -> Iterator[Publishing]:
    with serving() as server:
        found = Publishing(warehouse, server)
        for seed in range(24):
            body = picture("JPEG", seed=seed) + b"\0" * 200_000
            found.offer(f"w{seed:05}", body, gate.before(whole(body)))
        yield found
        gate.opened.set()


def stored(publishing: Publishing) -> int:
    return publishing.warehouse.rows("select count(*) from ops.uploads where outcome = 'stored'")[0][0]


def start_and_signal(publishing: Publishing, gate: Gate, run_key: str, number: signal.Signals, after: int) -> int:
    """Start a publish, signal it once so many are stored; its exit code."""
    own = {
        "DRAENEI_HOME": str(publishing.warehouse.home),
        "WALLHAVEN_IMAGE_HOSTS": publishing.server.host,
        "UPLOAD_CONCURRENCY": "4",
    }
    gate.let(after - stored(publishing) + 3)
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), run_key]
    with subprocess.Popen(command, env=os.environ | publishing.warehouse.environ | own) as process:
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
        assert stored(publishing) < 24
    gate.opened.set()
    publish(publishing.settings(), run_key, publishing.store, Silent())
    publishing.assert_all_stored_once()
    attempts = publishing.warehouse.rows("select outcome, attempt, count(*) from ops.uploads group by 1, 2")
    assert attempts == [("stored", 1, 24)]


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
