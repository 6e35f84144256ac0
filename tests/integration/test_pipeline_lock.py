"""One Collect of a source at a time: the second is told who is first, and a dead one holds nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from luigi_tasks.domain.errors import AlreadyRunning
from luigi_tasks.gateways import pipeline_lock
from luigi_tasks.settings import Settings
from tests.conftest import REPOSITORY, Warehouse
from tests.integration.core_fixtures import Collecting, wait_until

HOLDER = """
import time
from luigi_tasks import settings
from luigi_tasks.gateways import pipeline_lock
held = pipeline_lock.take(settings.load(), "wallhaven")
print("held", flush=True)
time.sleep(60)
"""


def is_free(settings: Settings) -> bool:
    """Whether the lock can be taken; gives it back."""
    try:
        pipeline_lock.take(settings, "wallhaven").close()
    except AlreadyRunning:
        return False
    return True


def test_the_second_is_turned_away_and_told_which_run_it_is(warehouse: Warehouse) -> None:
    collecting = Collecting(warehouse, "http://127.0.0.1:1/api/v1")
    first = pipeline_lock.take(collecting.settings, "wallhaven")
    with pytest.raises(AlreadyRunning, match=r"another Collect of wallhaven is running \(just started\)"):
        pipeline_lock.take(collecting.settings, "wallhaven")
    run = collecting.run()
    with pytest.raises(AlreadyRunning) as refused:
        pipeline_lock.take(collecting.settings, "wallhaven")
    assert f"({run.key}, since " in str(refused.value)
    assert "python -m luigi_tasks status" in str(refused.value)
    first.close()
    assert wait_until(lambda: is_free(collecting.settings), 20)


def test_one_that_is_just_ending_turns_nobody_away(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline_lock, "TRIES", 300)
    ending = threading.Timer(0.3, pipeline_lock.take(warehouse.settings(), "wallhaven").close)
    ending.start()
    pipeline_lock.take(warehouse.settings(), "wallhaven").close()
    ending.join()


def test_another_source_has_another_lock(warehouse: Warehouse) -> None:
    first = pipeline_lock.take(warehouse.settings(), "wallhaven")
    pipeline_lock.take(warehouse.settings(), "jsonplaceholder").close()
    first.close()


def test_whoever_is_turned_away_leaves_no_connection(warehouse: Warehouse) -> None:
    first = pipeline_lock.take(warehouse.settings(), "wallhaven")
    for _ in range(3):
        assert not is_free(warehouse.settings())
    count = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    assert wait_until(lambda: warehouse.rows(count) == [(1,)], 20)
    first.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_lock_ends_with_its_process(warehouse: Warehouse, number: signal.Signals) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER], cwd=REPOSITORY, env={**os.environ, **warehouse.environ}, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert not is_free(warehouse.settings())
        holder.send_signal(number)
        assert wait_until(lambda: is_free(warehouse.settings()), 20)
