"""The gate that bounds what is in flight."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from luigi_tasks.steps.flow import WeightGate


def test_the_weights_held_never_exceed_the_capacity_and_everyone_gets_in() -> None:
    gate, counting, held, peaks = WeightGate(100), threading.Lock(), 0, []
    weights = random.Random(7).choices([1, 10, 30, 100, 5000], k=200)

    def pass_through(weight: int) -> None:
        nonlocal held
        with gate.hold(weight):
            with counting:
                held += min(weight, 100)
                peaks.append(held)
            time.sleep(0.0005)
            with counting:
                held -= min(weight, 100)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(pass_through, weights))
    assert len(peaks) == 200
    assert max(peaks) == 100


def test_a_heavy_one_is_not_starved_by_light_ones() -> None:
    gate, order = WeightGate(10), []

    def enter(name: str, weight: int) -> None:
        with gate.hold(weight):
            order.append(name)

    with gate.hold(1):
        heavy = threading.Thread(target=enter, args=("heavy", 10))
        heavy.start()
        while not gate._line:
            time.sleep(0.001)
        light = threading.Thread(target=enter, args=("light", 1))
        light.start()
        light.join(0.1)
        assert order == [], "the light one fits, but the heavy one came first"
    heavy.join()
    light.join()
    assert order == ["heavy", "light"]


def test_an_error_inside_gives_the_room_back() -> None:
    gate = WeightGate(1)
    with pytest.raises(ValueError, match="inside"), gate.hold(1):
        raise ValueError("inside")
    with gate.hold(1):
        assert gate._held == 1
    assert gate._held == 0
