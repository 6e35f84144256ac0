"""What the benchmarks call met: each goal is missed by what is beyond it."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from benchmarks import memory, overlap
from benchmarks.transfer import in_flight, network

RUN = {"first_stored": 20.0, "last_page": 600.0, "last_stored": 610.0, "end": 620.0, "share": 0.99, "refused": 0}


def test_the_share_is_of_whole_allowances_after_the_burst() -> None:
    window = [*[0.0] * 10, *(1.2 * number for number in range(1, 36))]
    calls = [60.5 * minute + at for minute in range(10) for at in window]
    assert overlap.share(calls, 45) == pytest.approx(60 / 60.5)
    assert overlap.share([*calls, 605.0], 45) == pytest.approx(60 / 60.5)
    paused = [at + 6 * (at > 300) for at in calls]
    assert overlap.share(paused, 45) == pytest.approx(60 / (60.5 + 6 / 8))
    assert overlap.share(calls[:90], 45) is None, "the second allowance has no end yet"


@pytest.mark.parametrize(
    ("change", "missed"),
    [
        ({}, []),
        ({"first_stored": 60.1}, ["first picture"]),
        ({"share": 0.979}, ["share of"]),
        ({"refused": 1}, ["answers of"]),
        ({"end": 630.1}, ["end 30.1 s"]),
        ({"stored": 23}, ["stored 23"]),
    ],
)
def test_an_overlap_that_misses_a_goal_says_which(change: dict[str, Any], missed: list[str]) -> None:
    run = overlap.Measured(**{**RUN, "stored": 24, "rounds": 1, **change})
    assert [sentence[: len(missed[0]) if missed else 0] for sentence, met in run.goals(24) if not met] == missed


@pytest.mark.parametrize(
    ("change", "missed"),
    [
        ({}, []),
        ({"own": 250.1}, ["250 MB of its own"]),
        ({"children": 300.0, "together": 540.0}, []),
        ({"fetching": 30, "putting": 33}, ["only 63 were in flight"]),
        ({"fetching": 9, "mode": "40 kB, full decode"}, []),
        ({"right": 999}, ["1 did not arrive"]),
    ],
)
def test_a_transfer_that_misses_a_goal_of_memory_says_which(change: dict[str, Any], missed: list[str]) -> None:
    row: dict[str, Any] = {"pictures": 1000, "mode": "40 kB, all but decode", "own": 249.0, "children": 0.0}
    row |= {"together": 249.0, "fetching": 64, "putting": 0, "speed": 1.0, "right": 1000}
    said = list(memory.Row(**{**row, **change}).missed())
    assert len(said) == len(missed)
    assert all(words in sentence for words, sentence in zip(missed, said, strict=True))


def test_memory_is_compared_between_the_numbers_of_one_mode() -> None:
    row: dict[str, Any] = {"own": 9.0, "children": 0.0, "fetching": 64, "putting": 0, "speed": 1.0, "right": 1}
    rows = [
        memory.Row(pictures=number, mode=mode, together=together, **row)
        for number, mode, together in (
            (1, "a", 100.0),
            (20, "a", 120.0),
            (1, "b", 500.0),
            (20, "b", 500.0),
            (6, "c", 9.0),
        )
    ]
    assert memory.ratios(rows) == {"a": 1.2, "b": 1.0}


def test_requests_of_several_processes_are_counted_together(tmp_path: Path) -> None:
    file = tmp_path / "in_flight"
    processes = [in_flight.InFlight(file, 2, number) for number in range(2)]
    with ExitStack() as open_ones:
        for process in (*processes, processes[0]):
            open_ones.enter_context(process.one())
    assert in_flight.most(file) == 3
    in_flight.forget(file)
    assert in_flight.most(file) == 0
    with processes[1].one():
        assert in_flight.most(file) == 1, "those that ended are not counted on"


def test_threads_of_one_process_are_counted_whole(tmp_path: Path) -> None:
    counted, all_in = in_flight.InFlight(tmp_path / "in_flight", 1, 0), threading.Barrier(8)

    def request() -> None:
        with counted.one():
            all_in.wait(30)

    threads = [threading.Thread(target=request) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert in_flight.most(tmp_path / "in_flight") == 8


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ('echo "Error: Specified qdisc kind is unknown." >&2; exit 2', "this kernel has no netem"),
        ('echo "RTNETLINK answers: Operation not permitted" >&2; exit 2', "network namespaces are not allowed here"),
        ('echo "odd" >&2; exit 2', "odd"),
        ('test "$*" = "-Urn tc qdisc add dev lo root netem delay 30ms"', "netem in a namespace would work too"),
    ],
)
def test_the_page_says_in_words_why_the_servers_keep_the_delay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, words: str
) -> None:
    planted = tmp_path / "unshare"
    planted.write_text(f"#!/bin/sh\n{script}\n")
    planted.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert network.kept_by() == f"the servers ({words})"


def test_a_machine_without_namespaces_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert network.kept_by() == "the servers (there is no unshare here)"
