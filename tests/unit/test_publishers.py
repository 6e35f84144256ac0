"""How a run's hands, bytes and cores are divided among its processes."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from luigi_tasks.gateways.decoders import usable_cores
from luigi_tasks.settings import Settings
from luigi_tasks.steps.flow import OneAtATime, WeightGate
from luigi_tasks.steps.publisher import shares
from luigi_tasks.steps.publishers import WORTH_A_PROCESS, processes


@pytest.fixture
def turn() -> Iterator[OneAtATime]:
    with contextlib.closing(OneAtATime()) as found:
        yield found


@pytest.mark.parametrize("many", [1, 2, 3, 4, 7])
def test_all_shares_together_are_what_the_settings_allow(many: int) -> None:
    settings = Settings(upload_concurrency=30, upload_memory_bytes=100_000_000)
    divided = shares(settings, many)
    assert len(divided) == many
    assert sum(share.at_once for share in divided) == 30
    assert 100_000_000 - many < sum(share.bytes for share in divided) <= 100_000_000
    assert sum(share.decoders for share in divided) <= max(many, usable_cores())


def test_processes_share_what_one_host_gets() -> None:
    settings = Settings(image_host_concurrency=7)
    assert [share.per_host for share in shares(settings, 3)] == [3, 2, 2]
    assert [share.per_host for share in shares(Settings(), 3)] == [None, None, None]
    few = Settings(upload_processes=4, image_host_concurrency=2)
    assert processes(few, 99) == 2, "a process that may ask for nothing is of no use"


def test_a_few_pictures_are_worth_no_process_of_their_own() -> None:
    assert processes(Settings(), 100 * WORTH_A_PROCESS) == 1
    assert processes(Settings(upload_processes=3), 2 * WORTH_A_PROCESS - 1) == 1
    assert processes(Settings(upload_processes=3), 2 * WORTH_A_PROCESS) == 2
    assert processes(Settings(upload_processes=3), 100 * WORTH_A_PROCESS) == 3
    assert processes(Settings(upload_processes=3, upload_concurrency=2), 99) == 2
    assert processes(Settings(upload_processes=4, upload_memory_bytes=40 << 20), 99) == 2, "bytes for two"


@pytest.mark.skipif(sys.platform != "linux", reason="forks")
def test_what_is_above_a_share_is_held_by_one_process_at_a_time(tmp_path: Path, turn: OneAtATime) -> None:
    held, gate = tmp_path / "held", WeightGate(10, turn)
    child = os.fork()
    if not child:
        with gate.hold(11):
            held.touch()
            time.sleep(0.5)
            held.unlink()
        os._exit(0)
    while not held.exists():
        time.sleep(0.01)
    with gate.hold(10):
        assert held.exists(), "what fits waits for nobody"
    with gate.hold(11):
        assert not held.exists()
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.skipif(sys.platform != "linux", reason="forks")
def test_each_may_wait_for_a_turn_that_the_other_has(tmp_path: Path, turn: OneAtATime) -> None:
    with contextlib.closing(OneAtATime()) as other, ThreadPoolExecutor(1) as beside:
        theirs, ours = tmp_path / "theirs", tmp_path / "ours"
        child = os.fork()
        if not child:
            turn.take()
            theirs.touch()
            while not ours.exists():
                time.sleep(0.01)
            os._exit(0 if other.take() else 1)
        while not theirs.exists():
            time.sleep(0.01)
        assert other.take(0)
        ours.touch()
        time.sleep(0.2)
        waiting = beside.submit(turn.take)
        time.sleep(0.2)
        assert not waiting.done(), "the child has it until it ends"
        other.give_back()
        assert waiting.result(10)
        turn.give_back()
    assert os.waitpid(child, 0)[1] == 0


def test_threads_take_turns_too(turn: OneAtATime) -> None:
    gate, inside, most = WeightGate(10, turn), [0], [0]

    def pass_through() -> None:
        with gate.hold(11):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.01)
            inside[0] -= 1

    threads = [threading.Thread(target=pass_through) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
