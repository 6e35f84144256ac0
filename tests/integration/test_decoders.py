"""Decoding in children: a picture takes at most its own child down, and no child outlives us or knows a secret."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from PIL import Image

from luigi_tasks.domain.errors import PipelineError
from luigi_tasks.domain.publishing import Outcome, PictureError
from luigi_tasks.gateways import decoders as gateway
from luigi_tasks.gateways.decoders import CHILD, Decoders, DecodingLimits
from luigi_tasks.steps.flow import WeightGate
from tests.conftest import REPOSITORY, Warehouse
from tests.hostile.images.jpegs import deep_scans
from tests.image_server import serving
from tests.integration.core_fixtures import wait_until
from tests.integration.publish_fixtures import Publishing, Watching
from tests.pictures import encoded, picture

LIMITS = DecodingLimits(max_pixels=200_000_000, max_bytes=256 << 20, cpu_seconds=1)
JPEG, PNG = picture("JPEG"), picture("PNG")
DECODES = """
import contextlib, sys
from pathlib import Path
from luigi_tasks.gateways.decoders import Decoders, DecodingLimits
@contextlib.contextmanager
def begun(_):
    print("begun", flush=True)
    yield
with Decoders(DecodingLimits(200_000_000, 256 << 20, 100), 1) as decoders:
    decoders.decode(Path(sys.argv[1]).read_bytes(), "image/jpeg", begun)
"""
TRIES_EVERYTHING = """
import socket
from luigi_tasks.steps.decoder import Allowance
allowance = Allowance(10_000_000, 10_000_000, 1)
allowance.renew(1000, 1000)
for what, attempt in {
    "file": lambda: open("/etc/hostname"),
    "socket": socket.socket,
    "80 MB": lambda: bytearray(80 << 20),
}.items():
    try:
        attempt()
    except (OSError, MemoryError) as problem:
        print(what, type(problem).__name__)
allowance.renew(1000, 5_000_000)
print(len(bytearray(80 << 20)))
"""


@contextlib.contextmanager
def freely(_: int) -> Iterator[None]:
    yield


@pytest.fixture
def decoders() -> Iterator[Decoders]:
    with Decoders(LIMITS, children=2) as running:
        yield running


def children() -> set[int]:
    """Process ids of our decoders."""
    return {child.pid for child in psutil.Process().children() if CHILD in child.cmdline()}


def failure(decoders: Decoders, body: bytes, room=freely) -> PictureError:
    with pytest.raises(PictureError) as raised:
        decoders.decode(body, "image/jpeg", room)
    return raised.value


def test_children_are_used_again_and_end_with_the_pool() -> None:
    seen = set()
    with Decoders(LIMITS, children=2) as decoders:
        for _ in range(10):
            assert decoders.decode(JPEG, "image/jpeg", freely) == (64, 40)
            assert decoders.decode(PNG, "image/png", freely) == (64, 40)
            seen |= children()
    assert len(seen) == 1, "one at a time needs one child"
    assert not any(psutil.pid_exists(pid) for pid in seen)


def test_many_threads_share_few_children(decoders: Decoders) -> None:
    bodies = {size: picture("JPEG", (size, 2 * size)) for size in range(100, 140)}
    gate, most, counting = WeightGate(400_000), [0], threading.Lock()

    def decode(size: int) -> tuple[int, int]:
        with counting:
            most[0] = max(most[0], len(children()))
        return decoders.decode(bodies[size], "image/jpeg", gate.hold)

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(decode, bodies)) == [(size, 2 * size) for size in bodies]
    assert most[0] <= 2


def test_another_is_started_only_where_a_picture_waits_for_one(
    decoders: Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "SOON_SECONDS", 20.0)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: decoders.decode(JPEG, "image/jpeg", freely), range(40))) == {(64, 40)}
    assert len(children()) == 1, "the first was free soon, each time"

    monkeypatch.undo()
    held, busy = threading.Event(), threading.Event()

    @contextlib.contextmanager
    def holding(_: int) -> Iterator[None]:
        busy.set()
        assert held.wait(60)
        yield

    with ThreadPoolExecutor(1) as pool:
        kept = pool.submit(decoders.decode, JPEG, "image/jpeg", holding)
        assert busy.wait(60)
        assert decoders.decode(JPEG, "image/jpeg", freely) == (64, 40)
        assert len(children()) == 2
        held.set()
        assert kept.result() == (64, 40)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
def test_a_crash_costs_one_picture_and_one_child(decoders: Decoders, number: signal.Signals) -> None:
    decoders.decode(JPEG, "image/jpeg", freely)
    (victim,) = children()

    @contextlib.contextmanager
    def crash(_: int) -> Iterator[None]:
        os.kill(victim, number)
        yield

    problem = failure(decoders, JPEG, crash)
    assert problem.outcome is Outcome.CORRUPT
    assert problem.reason == f"does not decode: the decoder crashed ({number.name})"
    assert decoders.decode(JPEG, "image/jpeg", freely) == (64, 40)
    assert victim not in children()


def test_a_child_that_died_while_it_waited_is_nobodys_fault(decoders: Decoders) -> None:
    decoders.decode(JPEG, "image/jpeg", freely)
    (victim,) = children()
    os.kill(victim, signal.SIGKILL)
    assert wait_until(lambda: psutil.Process(victim).status() == psutil.STATUS_ZOMBIE, 20)
    assert decoders.decode(JPEG, "image/jpeg", freely) == (64, 40)


def test_a_picture_that_takes_too_much_cpu_is_given_up(decoders: Decoders) -> None:
    begun = time.monotonic()
    problem = failure(decoders, deep_scans(30_000))
    assert (problem.outcome, problem.reason) == (Outcome.CORRUPT, "does not decode: over IMAGE_DECODE_SECONDS")
    assert time.monotonic() - begun < 10
    assert decoders.decode(JPEG, "image/jpeg", freely) == (64, 40)


def test_a_child_that_says_nothing_is_given_up(decoders: Decoders) -> None:
    decoders.decode(JPEG, "image/jpeg", freely)
    (victim,) = children()
    os.kill(victim, signal.SIGSTOP)
    problem = failure(decoders, JPEG)
    assert problem.reason == "does not decode: over IMAGE_DECODE_SECONDS"
    assert not psutil.pid_exists(victim)


def test_what_one_picture_used_is_not_held_against_the_next() -> None:
    body = encoded(Image.effect_noise((3000, 3000), 60), "PNG")
    used = 0.0
    with Decoders(LIMITS, children=1) as decoders:
        decoders.decode(JPEG, "image/jpeg", freely)
        (child,) = children()
        while used <= 2.5 * LIMITS.cpu_seconds:
            decoders.decode(body, "image/png", freely)
            used = sum(psutil.Process(child).cpu_times()[:2])
        assert children() == {child}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not hold to RLIMIT_AS")
def test_files_connections_and_memory_are_out_of_reach() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TRIES_EVERYTHING], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["file OSError", "socket OSError", "80 MB MemoryError", str(80 << 20)]


@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_the_memory_is_enough_for_a_large_picture_in_several_scans(mode: str) -> None:
    with Image.new(mode, (6000, 4000)) as image:
        body = encoded(image, "JPEG", progressive=True)
    with Decoders(replace(LIMITS, cpu_seconds=60), children=1) as decoders:
        assert decoders.decode(body, "image/jpeg", freely) == (6000, 4000)


def test_as_many_are_started_as_pictures_wait_for_though_each_is_decoded_soon() -> None:
    # Some 20 ms each: two could not decode 24 of them in the 80 ms that these threads leave before one waits too long.
    body = encoded(Image.effect_noise((2000, 1500), 80), "JPEG", quality=95)
    with Decoders(replace(LIMITS, cpu_seconds=20), children=3) as decoders, ThreadPoolExecutor(24) as pool:

        def check(_: int) -> tuple[int, int]:
            time.sleep(0.03)  # for the next download
            return decoders.decode(body, "image/jpeg", freely)

        check(0)
        assert set(pool.map(check, range(120))) == {(2000, 1500)}
        assert len(children()) == 3


def test_what_the_parent_says_in_the_midst_of_a_picture_ends_no_child() -> None:
    large = picture("JPEG", (3000, 2000))
    deadline = time.monotonic() + 60
    with Decoders(LIMITS, children=1) as decoders:
        decoders.decode(JPEG, "image/jpeg", freely)
        (child,) = decoders._free.queue
        for _ in range(3):
            child._tell(gateway.HEAD.pack(len(large), 0, 0) + large, deadline)
            assert child._hear(deadline)["width"] == 3000
            # The next picture's head, while this one is decoded.
            child._tell(b"G" + (gateway.HEAD.pack(len(JPEG), 0, 0) + JPEG), deadline)
            assert child._hear(deadline)["width"] == 3000
            assert child._hear(deadline)["width"] == 64
            child._tell(b"G", deadline)
            assert child._hear(deadline)["width"] == 64


def test_children_know_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "canary")
    with Decoders(LIMITS, children=1) as decoders:
        decoders.decode(JPEG, "image/jpeg", freely)
        (child,) = children()
        environment = Path(f"/proc/{child}/environ").read_text()
    assert "canary" not in environment
    assert {entry.partition("=")[0] for entry in environment.split("\0") if entry} <= {
        "PYTHONPATH",
        "PYTHONSAFEPATH",
        "PILLOW_BLOCKS_MAX",
        "LC_CTYPE",  # Python's own, where there is no locale
    }


def test_no_child_outlives_its_parent_even_in_the_midst_of_a_picture(tmp_path: Path) -> None:
    (tmp_path / "deep.jpg").write_bytes(deep_scans(30_000))
    command = [sys.executable, "-c", DECODES, str(tmp_path / "deep.jpg")]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"begun\n"
        (child,) = psutil.Process(parent.pid).children()
        assert wait_until(lambda: child.cpu_times().user > 0.3, 60), "it decodes"
        parent.kill()
        assert wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 20)


def test_when_no_child_starts_no_picture_is_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "CHILD", "luigi_tasks.steps.nothing")
    with Decoders(LIMITS, children=1) as decoders:
        for _ in range(2):
            with pytest.raises(PipelineError, match=r"does not start.*python -m luigi_tasks\.steps\.nothing"):
                decoders.decode(JPEG, "image/jpeg", freely)


def test_a_run_goes_on_past_a_hostile_picture(warehouse: Warehouse) -> None:
    from luigi_tasks.steps.publish import publish

    with serving() as server:
        publishing = Publishing(warehouse, server)
        for number in range(4):
            publishing.offer(f"good{number}", picture("JPEG", seed=number))
        publishing.offer("hostile", deep_scans(30_000))
        run_key = publishing.freeze("2026-11-21T07:00")
        settings = publishing.settings(image_decode_seconds=1)
        totals = publish(settings, run_key, publishing.store, Watching())
    assert totals.outcomes == {"stored": 4, "corrupt": 1}
    assert publishing.outcomes(run_key)["hostile"] == "corrupt"
    assert not children()
