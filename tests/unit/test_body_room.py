"""What one picture holds of its process's memory."""

from __future__ import annotations

import contextlib

from luigi_tasks.gateways.buffers import Buffers
from luigi_tasks.steps import room
from luigi_tasks.steps.flow import WeightGate
from luigi_tasks.steps.room import BodyRoom

MIB = 1 << 20


def a_room(gate: WeightGate, buffers: Buffers) -> contextlib.closing[BodyRoom]:
    return contextlib.closing(BodyRoom(gate, buffers, 7))


def test_nothing_is_held_until_it_is_asked_for_and_then_the_same_block() -> None:
    gate, buffers = WeightGate(10 * MIB), Buffers(10 * MIB)
    with a_room(gate, buffers) as one:
        assert (gate._held, buffers._held, one.usual) == (0, 0, 7)
        block = one.take(3 * MIB, 0)
        assert block
        assert len(block) == 3 * MIB
        assert one.take(MIB, 0) is block
        assert gate._held == 3 * MIB
        with a_room(gate, buffers) as other:
            assert other.take(7 * MIB, 0) is not block
    assert gate._held == 0
    assert len(buffers._free) == 2, "both blocks are kept for the next"


def test_more_is_asked_for_with_empty_hands() -> None:
    gate, buffers = WeightGate(10 * MIB), Buffers(10 * MIB)
    with a_room(gate, buffers) as one, a_room(gate, buffers) as other:
        assert one.take(4 * MIB, 0)
        assert other.take(6 * MIB, 0)
        assert one.take(5 * MIB, 0) is None
        assert gate._held == 6 * MIB, "two that wait for more while they hold some would wait for each other"
        other.give_back()
        block = one.take(5 * MIB, 0)
        assert block
        assert len(block) >= 5 * MIB


def test_room_is_scarce_where_it_takes_long_to_come() -> None:
    gate, buffers = WeightGate(MIB), Buffers(MIB)
    with a_room(gate, buffers) as one, a_room(gate, buffers) as other:
        assert one.take(MIB, 0)
        assert not one.is_scarce()
        assert other.take(MIB, 0) is None
        assert not one.is_scarce()
        gate._line[0].since -= room.SCARCE_SECONDS
        assert one.is_scarce()
        other.give_back()
        assert not one.is_scarce()
