"""The instruments of the load proof: a storm strikes its share and nothing else, memory is that of all processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from random import Random

from tests.prove.load import FAULTED, Storm
from tests.prove.load_store import GET_FAULTS, PUT_FAULTS, StoreStorm, misplaced
from tests.prove.memory import Samples
from tests.s3_double import ERRORS
from twin.messages import Route

EATER = "import time; kept = bytearray(60 << 20); print('full', flush=True); time.sleep(60)"


def test_a_storm_strikes_its_share_of_every_kind_and_nothing_else() -> None:
    storm = Storm(FAULTED, seed=1)
    struck = {
        kind: [fault for _ in range(4000) if (fault := storm.take(Route(kind)))]
        for kind in ("search", "image", "detail", "thumb", "admin")
    }
    assert all(150 < len(struck[kind]) < 250 for kind in ("search", "image", "detail"))
    assert not struck["thumb"]
    assert not struck["admin"]
    assert {fault.kind for fault in struck["image"]} >= {"corrupt", "truncate"}
    assert "corrupt" not in {fault.kind for fault in struck["search"]}


def test_the_bucket_has_its_storm_too() -> None:
    storm = StoreStorm(share=FAULTED, dice=Random(1))
    struck = {method: [storm.take_fault(method, "wallpapers/a.jpg") for _ in range(4000)] for method in ("PUT", "GET")}
    assert all(150 < sum(fault is not None for fault in met) < 250 for met in struck.values())
    assert {fault.kind for fault in struck["PUT"] if fault} == set(PUT_FAULTS) <= {*ERRORS, "lost_reply", "after_500"}
    assert {fault.kind for fault in struck["GET"] if fault} == set(GET_FAULTS) <= ERRORS.keys()
    assert not any(storm.take_fault("PUT", "raw/a") or storm.take_fault("HEAD", "wallpapers/a") for _ in range(400))


def test_the_judge_sees_every_picture_that_is_lost_strange_or_changed() -> None:
    site = {"a": "1", "b": "2"}
    wrong = ["1 pictures are missing, too many or not the site's"]
    assert list(misplaced({"wallpapers/a.jpg": "1", "wallpapers/b.png": "2"}, site)) == []
    assert list(misplaced({"wallpapers/a.jpg": "1"}, site)) == wrong
    assert list(misplaced({"wallpapers/a.jpg": "1", "wallpapers/b.png": "2"}, {"a": "1"})) == wrong
    assert list(misplaced({"wallpapers/a.jpg": "1", "wallpapers/b.png": "9"}, site)) == wrong


def test_a_peak_is_that_of_its_span() -> None:
    samples = Samples(os.getpid(), taken=[(moment, 100 if moment < 3 else 400) for moment in range(10)])
    assert (samples.peak(), samples.peak(0, 2), samples.peak(20)) == (400, 100, 0)


def test_memory_is_that_of_the_process_and_its_children() -> None:
    child = subprocess.Popen([sys.executable, "-c", EATER], stdout=subprocess.PIPE)
    assert child.stdout
    with child.stdout, Samples(os.getpid(), EATER) as samples:
        assert child.stdout.readline() == b"full\n"
        deadline = time.monotonic() + 20
        while samples.peak() < 60 << 20 and time.monotonic() < deadline:
            time.sleep(0.05)
        alone = Samples(child.pid)
        with alone:
            time.sleep(1.2)
        child.kill()
        child.wait()
    assert 60 << 20 < alone.peak() < samples.peak()
    assert (samples.at_once, alone.at_once) == (1, 0)
