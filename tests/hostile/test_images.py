"""Hostile pictures, each with the outcome it must have, within bounds of time and memory and without a dead run."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import psutil
import pytest

from luigi_tasks.domain.publishing import Flag, ManifestItem, PictureError
from luigi_tasks.gateways.decoders import CHILD, Decoders, DecodingLimits
from luigi_tasks.steps.verify import Limits, verify
from tests.hostile.images import jpegs, others, pngs
from tests.pictures import picture

LIMITS = DecodingLimits(max_pixels=200_000_000, max_bytes=256 << 20, cpu_seconds=2)
SECONDS_A_PICTURE = 3 * LIMITS.cpu_seconds + 2
MEGABYTES_A_CHILD = 400


@contextlib.contextmanager
def freely(_: int) -> Iterator[None]:
    yield


def outcome(decoders: Decoders, name: str, body: bytes) -> str:
    """'whole', 'trailing_bytes', or the outcome of what did not pass."""
    extension = "png" if name.startswith("png") else "jpg"
    item = ManifestItem("abc123", "http://127.0.0.1/x", f"wallpapers/abc123.{extension}", "image/jpeg", 1, 1, 1)
    try:
        found = verify(body, item, Limits(LIMITS.max_pixels, refuse_mismatch=False), freely, decoders.decode)
    except PictureError as problem:
        return str(problem.outcome) if problem.reason else "without a reason"
    return str(Flag.TRAILING_BYTES) if Flag.TRAILING_BYTES in found.flags else "whole"


def peak_megabytes() -> list[int]:
    """The most memory that each living decoder ever held."""
    children = [child for child in psutil.Process().children() if CHILD in child.cmdline()]
    texts = [Path(f"/proc/{child.pid}/status").read_text() for child in children]
    return [int(found[1]) // 1024 for text in texts if (found := re.search(r"VmHWM:\s+(\d+) kB", text))]


@pytest.mark.parametrize("family", [jpegs, pngs, others], ids=lambda family: family.__name__.rpartition(".")[2])
def test_every_hostile_picture_has_its_outcome(
    family: ModuleType, record_property: Callable[[str, object], None]
) -> None:
    expected, found, slow = {}, {}, {}
    with Decoders(LIMITS, children=1) as decoders:
        for name, due, body in family.cases():
            begun = time.monotonic()
            expected[name], found[name] = due, outcome(decoders, name, body)
            if time.monotonic() - begun > SECONDS_A_PICTURE:
                slow[name] = time.monotonic() - begun
        assert outcome(decoders, "jpeg", picture("JPEG")) == "whole"
        assert max(peak_megabytes()) < MEGABYTES_A_CHILD
    assert found == expected
    assert slow == {}
    record_property("cases", len(found))


def test_there_are_at_least_a_hundred_and_each_is_made_the_same_way_twice() -> None:
    first = [case for family in (jpegs, pngs, others) for case in family.cases()]
    again = [case for family in (jpegs, pngs, others) for case in family.cases()]
    assert first == again
    assert len({name for name, _, _ in first}) == len(first) >= 100
