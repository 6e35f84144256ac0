"""A process that is forked is what a new one would be, and what becomes of it is told as it is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.prove.launched import REPOSITORY, Launched, Launcher
from tests.prove.launcher import COERCED

AROUND = {"PATH": os.defpath, "PYTHONPATH": str(REPOSITORY), "LEFT": "from the launcher"}
CORES = "import os; print(sorted(os.sched_getaffinity(0)))"
FAULT = "load.commit.before:1:exception"


def main() -> int:
    """What is forked here: `describe` says what the process is, `fail` raises, `pause` waits to be killed."""
    from luigi_tasks import settings
    from luigi_tasks.steps import load

    [wanted, *_] = sys.argv[1:]
    if wanted == "fail":
        load.crash_point("load.commit.before")
    if wanted == "pause":
        time.sleep(60)
    said = {
        "arguments": sys.argv[1:],
        "environ": dict(os.environ),
        "folder": str(Path.cwd()),
        "leads": (os.getpid() == os.getpgrp() == os.getsid(0)),
        "files": sorted(int(name) for name in os.listdir("/proc/self/fd"))[:-1],
        "input": sys.stdin.read(),
        "threads": len(os.listdir("/proc/self/task")),
        "cores": sorted(os.sched_getaffinity(0)),
        "query": settings.load().wallhaven_query,
        "signals": [str(signal.getsignal(number)) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)],
    }
    print(json.dumps(said))
    return 7


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    with Launcher("tests.prove.test_launcher", AROUND) as made:
        yield made


@pytest.fixture
def said(tmp_path: Path) -> Path:
    return tmp_path / "said"


def start(launcher: Launcher, said: Path, *arguments: str, command: list[str] | None = None, **more: str) -> Launched:
    environ = {name: value for name, value in AROUND.items() if name != "LEFT"} | more
    with said.open("w") as file:
        return launcher.start(arguments, environ, file, command)


def described(launcher: Launcher, said: Path, **more: str) -> Mapping[str, Any]:
    assert start(launcher, said, "describe", "it", **more).wait(60) == 7
    found: dict[str, Any] = json.loads(said.read_text())
    return found


def test_it_is_what_a_new_process_is(launcher: Launcher, said: Path) -> None:
    forked = described(launcher, said, WALLHAVEN_QUERY="one")
    command = [sys.executable, "-c", "import sys; from tests.prove import test_launcher as it; sys.exit(it.main())"]
    environ = {name: value for name, value in AROUND.items() if name != "LEFT"} | {"WALLHAVEN_QUERY": "one"}
    fresh = subprocess.run(
        [*command, "describe", "it"],
        env=environ,
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
        check=False,
    )
    assert forked == json.loads(fresh.stdout)
    assert forked["files"] == [0, 1, 2]
    assert forked["environ"].keys() - environ.keys() <= {COERCED}


def test_each_has_settings_and_an_environment_of_its_own(launcher: Launcher, said: Path) -> None:
    assert [described(launcher, said, WALLHAVEN_QUERY=words)["query"] for words in ("one", "two")] == ["one", "two"]


def test_crash_points_are_those_of_its_environment(launcher: Launcher, said: Path) -> None:
    failed = start(launcher, said, "fail", DRAENEI_FAULT=FAULT)
    assert failed.wait(60) == 1
    assert f"InjectedFault: {FAULT}" in said.read_text()
    assert start(launcher, said, "fail").wait(60) == 7


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_signal_that_ended_it_is_told(launcher: Launcher, said: Path, number: signal.Signals) -> None:
    paused = start(launcher, said, "pause")
    assert paused.poll() is None
    paused.send_signal(number)
    assert paused.wait(60) == -number
    assert paused.poll() == -number


def test_a_stop_is_told_and_outlived_and_a_wait_ends(launcher: Launcher, said: Path) -> None:
    paused = start(launcher, said, "pause")
    paused.send_signal(signal.SIGSTOP)
    assert paused.wait_until_stopped(60)
    with pytest.raises(TimeoutError):
        paused.wait(0.05)
    paused.send_signal(signal.SIGCONT)
    assert paused.poll() is None
    paused.kill()
    assert paused.wait(60) == -signal.SIGKILL
    assert not paused.wait_until_stopped(1)


def test_one_that_ends_is_not_taken_for_stopped(launcher: Launcher, said: Path) -> None:
    assert not start(launcher, said, "describe").wait_until_stopped(60)


def test_a_program_of_its_own_is_started_from_the_same_place(launcher: Launcher, said: Path) -> None:
    command = [sys.executable, "-c", "import os, sys; print(sorted(sys.modules), os.environ); sys.exit(3)"]
    assert start(launcher, said, "ignored", command=command, OWN="here").wait(60) == 3
    assert "luigi" not in said.read_text()
    assert "'OWN': 'here'" in said.read_text()
    assert "from the launcher" not in said.read_text()


def test_its_processes_have_the_cores_that_it_was_given(said: Path) -> None:
    core = max(os.sched_getaffinity(0))
    with Launcher("tests.prove.test_launcher", AROUND, {core}) as narrow:
        assert start(narrow, said, "describe").wait(60) == 7
        assert json.loads(said.read_text())["cores"] == [core]
        assert start(narrow, said, "describe", command=[sys.executable, "-c", CORES]).wait(60) == 0
        assert json.loads(said.read_text()) == [core]


def test_a_launcher_that_is_gone_is_an_error(said: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with Launcher("tests.prove.nowhere", AROUND) as broken:
        broken._process.wait(60)
        with pytest.raises(RuntimeError, match="the launcher has ended"):
            start(broken, said, "describe")
    assert "No module named 'tests.prove.nowhere'" in capfd.readouterr().err
