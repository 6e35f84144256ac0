"""Progress for people and programs: words, lines now and then, JSON with the same facts, a bar."""

from __future__ import annotations

import io
import json
import os
import pty
import termios
import threading
import time

import pytest

from luigi_tasks.domain.progress import Progress, Silent, describe, human_bytes, human_seconds
from luigi_tasks.gateways.terminal import JSON_SECONDS, PLAIN_SECONDS, Bar, Lines, progress_for


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (52_009_370, "49.6 MiB"),
        (3 << 30, "3.0 GiB"),
        (5 << 40, "5.0 TiB"),
        (2048 << 40, "2048.0 TiB"),
    ],
)
def test_bytes(count: int, text: str) -> None:
    assert human_bytes(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (9.4, "0:09"), (59.6, "1:00"), (750, "12:30"), (3599.7, "1:00:00"), (3723, "1:02:03")],
)
def test_seconds(seconds: float, text: str) -> None:
    assert human_seconds(seconds) == text


@pytest.mark.parametrize(
    ("done", "total", "size", "note", "text"),
    [
        (16, 24, 52_009_370, "43/45 per minute", "16/24 images, 49.6 MiB, 43/45 per minute, ETA 0:12"),
        (0, 24, 0, "", "0/24 images"),
        (24, 24, 1024, "", "24/24 images, 1.0 KiB"),
        (0, 0, 0, "dbt starts", "dbt starts"),
        (0, 0, 0, "", ""),
    ],
)
def test_one_line_says_what_is_known(done: int, total: int, size: int, note: str, text: str) -> None:
    assert describe("images", done, total, size, note, elapsed=24) == text


def test_plain_lines_come_now_and_then() -> None:
    stream = io.StringIO()
    lines = Lines("Publish", "images", stream, as_json=False)
    assert lines.every == PLAIN_SECONDS
    lines.update(1, 4)
    assert stream.getvalue() == ""
    lines.every = 0.05
    time.sleep(0.06)
    lines.update(2, 4, note="busy")
    lines.update(3, 4, note="too soon")
    time.sleep(0.06)
    lines.update(4, 4)
    said = stream.getvalue().splitlines()
    assert len(said) == 2
    assert said[0].startswith("Publish: 2/4 images, busy, ETA ")
    assert said[1] == "Publish: 4/4 images"


def test_json_lines_hold_the_facts_and_the_end_is_always_said() -> None:
    stream = io.StringIO()
    lines = Lines("Publish", "images", stream, as_json=True)
    assert lines.every == JSON_SECONDS
    lines.update(1, 4)
    lines.update(4, 4, bytes_done=9, note='with "quotes"\nand a line')
    (line,) = stream.getvalue().splitlines()
    facts = json.loads(line)
    assert facts.pop("elapsed_seconds") >= 0
    assert facts == {
        "event": "progress",
        "step": "Publish",
        "unit": "images",
        "done": 4,
        "total": 4,
        "bytes": 9,
        "note": 'with "quotes"\nand a line',
    }


def test_lines_of_many_threads_do_not_mix() -> None:
    stream = io.StringIO()
    lines = Lines("Publish", "images", stream, as_json=True)
    lines.every = 0.0
    threads = [threading.Thread(target=lambda: [lines.update(1, 2) for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [json.loads(line)["done"] for line in stream.getvalue().splitlines()] == [1] * 200


@pytest.mark.parametrize(("mode", "kind"), [("auto", Lines), ("plain", Lines), ("json", Lines), ("none", Silent)])
def test_what_is_no_terminal_gets_no_bar(mode: str, kind: type[Progress]) -> None:
    assert type(progress_for(mode, "Fetch", "pages", io.StringIO())) is kind


def test_silence_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    Silent().update(1, 2, bytes_done=3, note="x")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("mode", ["auto", "bar"])
def test_a_terminal_gets_a_bar(mode: str) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 120))
    shown = bytearray()

    def read() -> None:
        while True:
            try:
                chunk = os.read(ours, 4096)
            except OSError:
                return
            if not chunk:
                return
            shown.extend(chunk)

    reader = threading.Thread(target=read)
    reader.start()
    with os.fdopen(theirs, "w") as stream:
        bar = progress_for(mode, "Fetch", "pages", stream)
        assert isinstance(bar, Bar)
        time.sleep(0.25)
        bar.update(0, 0, note="429; waiting as told")
        time.sleep(0.12)
        bar.update(2, 3, bytes_done=2048)
        bar.update(1, 3)
        time.sleep(0.12)
        bar.update(2, 3, note="a note alone")
        bar.update(3, 3, bytes_done=4096, note="done")
        bar.close()
    reader.join(10)
    os.close(ours)
    text = shown.decode()
    for words in ("429; waiting as told", "a note alone", "Fetch: 100%", "3/3", "4.0 KiB, done"):
        assert words in text
