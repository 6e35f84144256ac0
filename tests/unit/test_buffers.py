"""Memory for bodies is used again, and what is kept stays within its bound."""

from __future__ import annotations

import contextlib

import pytest

from luigi_tasks.gateways.buffers import Buffers

MIB = 1 << 20


def test_a_returned_block_is_lent_again_to_what_fits() -> None:
    buffers = Buffers(64 * MIB)
    with buffers.lend(2 * MIB) as block:
        block[:4] = b"mark"
    with buffers.lend(int(1.5 * MIB)) as again:
        assert bytes(again[:4]) == b"mark"
        assert len(again) >= 1.5 * MIB
        with buffers.lend(2 * MIB) as another:
            assert bytes(another[:4]) == b"\0" * 4, "the first is lent already"
    with buffers.lend(MIB // 2) as small:
        assert len(small) == MIB // 2, "not a large block for a small picture"


def test_what_is_kept_stays_within_the_capacity() -> None:
    buffers = Buffers(8 * MIB)
    for size in (1, 3, 7, 2, 5, 8, 1):
        with contextlib.ExitStack() as stack:
            stack.enter_context(buffers.lend(size * MIB))
        assert sum(entry[0] for entry in buffers._free) <= 8 * MIB
        assert buffers._held == sum(entry[0] for entry in buffers._free)


def test_an_error_gives_the_block_back() -> None:
    buffers = Buffers(MIB)
    with pytest.raises(ValueError, match="inside"), buffers.lend(MIB):
        raise ValueError("inside")
    assert [entry[0] for entry in buffers._free] == [MIB]
