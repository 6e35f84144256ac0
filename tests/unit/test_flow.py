"""The gate that bounds what is in flight."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from luigi_tasks.steps.flow import OneAtATime, Place, WeightGate


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


def test_a_place_in_the_line_is_kept_by_who_waited_in_vain() -> None:
    gate = WeightGate(10)
    with contextlib.closing(Place(gate, 6)) as second, contextlib.closing(Place(gate, 4)) as third:
        with contextlib.closing(Place(gate, 9)) as first:
            assert first.wait(0)
            assert not second.wait(0.01)
            assert not third.wait(0.01)
            assert gate._held == 9
        assert third.admitted.is_set()
        assert second.wait(0)
        assert third.wait(0)
        assert gate._held == 10
    assert gate._held == 0


def test_who_leaves_the_line_lets_the_next_one_in() -> None:
    gate = WeightGate(10)
    with contextlib.closing(Place(gate, 5)) as inside, contextlib.closing(Place(gate, 5)) as last:
        assert inside.wait(0)
        with contextlib.closing(Place(gate, 10)) as heavy:
            assert not heavy.wait(0)
            assert not last.wait(0)
        assert last.wait(0)


def test_how_long_one_waits_is_known_while_somebody_does() -> None:
    gate = WeightGate(10)
    with contextlib.closing(Place(gate, 10)) as inside:
        assert inside.wait()
        assert gate.wait_seconds() == 0.0
        with contextlib.closing(Place(gate, 6)) as second, contextlib.closing(Place(gate, 6)) as third:
            second.wait(0)
            third.wait(0.3)
            assert 0.3 <= gate.wait_seconds() < 5
            inside.close = lambda: None
            gate.leave(inside)
            assert gate.wait_seconds() >= 0.3, "as long as the last one who came in"
        assert gate.wait_seconds() == 0.0


def test_what_is_above_the_capacity_waits_for_its_turn_so_long_at_most() -> None:
    with contextlib.closing(OneAtATime()) as turn:
        gate, other = WeightGate(10, turn), WeightGate(10, turn)
        with gate.hold(11), contextlib.closing(Place(other, 11)) as place:
            begun = time.monotonic()
            assert not place.wait(0.2)
            assert 0.1 < time.monotonic() - begun < 5
        with other.hold(11), contextlib.closing(Place(gate, 11)) as place:
            assert not place.wait(0)
        with contextlib.closing(Place(gate, 11)) as place:
            assert place.wait(1)
            assert gate._held == 10
