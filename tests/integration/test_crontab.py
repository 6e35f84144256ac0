"""deploy/crontab: five valid fields, and its exact line run by /bin/sh as cron would run it.

`luigi` is a recorder here, because what is tested is the line: lock, log, folder, exit code, what would be mailed.
"""

from __future__ import annotations

import datetime
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from luigi_tasks.gateways.metrics_ledger import FILLED_MINUTES
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.verbs.fsck import part_of

CRONTAB = Path(__file__).parents[2] / "deploy" / "crontab"
PLACEHOLDER = "/srv/draenei-collector"
FILLING = (
    '--of randomuser.Collect --param-name run_id --start "$RANDOMUSER_SINCE"'
    f" --minutes-back {FILLED_MINUTES} --task-limit 5 --reverse"
)
RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))

pytestmark = pytest.mark.skipif(shutil.which("flock") is None, reason="flock (util-linux) is not installed")

RECORDER = """#!/bin/sh
echo "$PWD|$*" >> "$PWD/calls"
echo "to the log"
echo "and its errors" >&2
[ ! -e leave-a-daemon ] || { sleep 60 & echo $! > daemon.pid; }
while [ -e hold ]; do sleep 0.02; done
exit "$(cat exit-code 2>/dev/null || echo 0)"
"""


def parse(text: str) -> tuple[dict[str, str], list[tuple[list[str], str]]]:
    """A user crontab's variables and its entries as (five fields, command)."""
    variables: dict[str, str] = {}
    entries: list[tuple[list[str], str]] = []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        if line.startswith("#"):
            continue
        if assignment := re.fullmatch(r"([A-Z_]+)\s*=\s*(.*)", line):
            variables[assignment[1]] = assignment[2]
        else:
            *fields, command = line.split(None, 5)
            entries.append((fields, command))
    return variables, entries


def allowed(field: str, low: int, high: int) -> bool:
    """True when a field of numbers, ranges, lists and steps stays within its range."""
    for part in field.split(","):
        matched = re.fullmatch(r"(?:\*|(\d+)(?:-(\d+))?)(?:/(\d+))?", part)
        if not matched:
            return False
        first, last, step = (int(group) if group else None for group in matched.groups())
        bounds = [bound for bound in (first, last) if bound is not None]
        if any(not low <= bound <= high for bound in bounds) or bounds != sorted(bounds) or step == 0:
            return False
    return True


class Cron:
    """The crontab installed for a folder, with the recorder as its luigi."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        programs = folder / ".venv" / "bin"
        programs.mkdir(parents=True)
        recorder = programs / "luigi"
        recorder.write_text(RECORDER)
        recorder.chmod(0o755)
        text = CRONTAB.read_text().replace(PLACEHOLDER, str(folder))
        self.variables, ((_, self.command), *_) = parse(text)

    def start(self) -> subprocess.Popen[str]:
        """The line as cron starts it: its SHELL, its variables, HOME and LOGNAME, nothing else."""
        environment = {**self.variables, "HOME": "/", "LOGNAME": "nobody"}
        return subprocess.Popen(
            [self.variables["SHELL"], "-c", self.command],
            cwd="/",
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self) -> tuple[int, str]:
        """Exit code and what would be mailed."""
        child = self.start()
        mail, _ = child.communicate(timeout=20)
        return child.returncode, mail

    def calls(self) -> list[str]:
        """A line for each time that luigi was started: folder|arguments."""
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def log(self) -> str:
        """The log that the line appends to."""
        return (self.folder / "var" / "log" / "collect.log").read_text()


@pytest.fixture
def cron(tmp_path: Path) -> Cron:
    return Cron(tmp_path / "a folder")


@pytest.fixture
def held(cron: Cron) -> Iterator[subprocess.Popen[str]]:
    """A run under way, which ends when the test removes `hold`."""
    hold = cron.folder / "hold"
    hold.touch()
    child = cron.start()
    deadline = time.monotonic() + 20
    while not cron.calls() and time.monotonic() < deadline:
        time.sleep(0.01)
    yield child
    hold.unlink(missing_ok=True)
    child.communicate(timeout=20)


def test_every_source_has_an_entry_like_the_first_with_a_lock_of_its_own() -> None:
    _, ((_, first), *others) = parse(CRONTAB.read_text())
    named = {found[1]: command for _, command in others if (found := re.search(r"collect-(\w+)[.]lock", command))}
    assert named.keys() == CATALOGUE.keys() - {"wallhaven"}
    named["randomuser"] = named["randomuser"].replace(f"RangeByMinutes {FILLING}", "randomuser.Collect")
    for source, command in named.items():
        expected = first.replace("collect.lock", f"collect-{source}.lock").replace(
            " Collect >>", f" {source}.Collect >>"
        )
        assert command == expected.replace('"Collect ended', f'"{source}.Collect ended')


@pytest.mark.parametrize("source", CATALOGUE)
def test_each_source_runs_as_often_as_the_alerts_expect(source: str) -> None:
    lock = "collect.lock" if source == "wallhaven" else f"collect-{source}.lock"
    _, entries = parse(CRONTAB.read_text())
    ((minute, hour, *_, weekday),) = [fields for fields, command in entries if lock in command]
    in_an_hour = sum(marks(part, 60) for part in minute.split(","))
    in_a_week = in_an_hour * marks(hour, 24) * marks(weekday, 7)
    assert 7 * 24 * 60 / in_a_week == CATALOGUE[source].EVERY_MINUTES


def marks(field: str, span: int) -> int:
    """How many marks of a span a star, a star with a step or a number has."""
    return span // int(field.partition("/")[2] or 1) if field.startswith("*") else 1


def test_fsck_runs_every_day_and_reads_everything_in_a_week(cron: Cron) -> None:
    _, entries = parse(CRONTAB.read_text())
    quick, deep = [command for _, command in entries if "luigi_tasks fsck" in command]
    python = cron.folder / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\n[ "$1" != -c ] || exec {sys.executable} "$@"\n{RECORDER.partition(chr(10))[2]}')
    python.chmod(0o755)
    for cron.command in (quick, deep):
        (cron.folder / "exit-code").write_text("1")
        code, mail = cron.run()
        assert (code, "ended with 1" in mail) == (1, True)
    day = datetime.date.today().isoweekday()
    said = [call.partition("|")[2] for call in cron.calls()]
    assert said == ["-m luigi_tasks fsck", f"-m luigi_tasks fsck --deep --part {day}/7"]
    assert part_of(f"{day}/7").of == 7


def test_entries_of_five_valid_fields_and_no_bare_percent() -> None:
    variables, entries = parse(CRONTAB.read_text())
    for fields, command in entries:
        assert len(fields) == 5
        for field, (low, high) in zip(fields, RANGES, strict=True):
            assert allowed(field, low, high), field
        assert "%" not in command  # cron turns it into a newline
    assert entries[0][0] == ["*/30", "*", "*", "*", "*"]
    assert {"SHELL", "PATH", "MAILTO", "RANDOMUSER_SINCE"} <= set(variables)
    assert not any("$" in value for value in variables.values())  # cron expands nothing in them
    assert CRONTAB.read_text().endswith("\n")  # cron drops a last line without it


@pytest.mark.parametrize(
    ("field", "verdict"), [("*/30", True), ("0,30", True), ("60", False), ("9-5", False), ("*/0", False), ("x", False)]
)
def test_the_field_check_can_fail(field: str, verdict: bool) -> None:
    assert allowed(field, 0, 59) is verdict


def test_it_runs_collect_in_its_folder_and_appends_to_the_log(cron: Cron) -> None:
    assert cron.run() == (0, "")
    assert cron.run() == (0, "")
    assert cron.calls() == [f"{cron.folder}|--module luigi_tasks Collect"] * 2
    assert cron.log() == "to the log\nand its errors\n" * 2


@pytest.mark.parametrize("code", [30, 40])
def test_a_failure_is_one_line_of_mail_and_the_exit_code(cron: Cron, code: int) -> None:
    (cron.folder / "exit-code").write_text(str(code))
    log = cron.folder / "var" / "log" / "collect.log"
    assert cron.run() == (code, f"Collect ended with {code}: read the end of {log}\n")


def test_luigis_already_running_is_not_worth_mail(cron: Cron) -> None:
    (cron.folder / "exit-code").write_text("10")
    assert cron.run() == (10, "")


def test_a_second_run_while_one_is_at_work_does_nothing(cron: Cron, held: subprocess.Popen[str]) -> None:
    assert cron.run() == (10, "")
    assert len(cron.calls()) == 1
    (cron.folder / "hold").unlink()
    assert held.wait(20) == 0
    assert cron.run() == (0, "")
    assert len(cron.calls()) == 2


def test_the_lock_ends_with_its_holder_even_by_kill(cron: Cron, held: subprocess.Popen[str]) -> None:
    (flock,) = psutil.Process(held.pid).children()
    flock.kill()
    held.wait(20)
    (cron.folder / "hold").unlink()
    assert cron.run()[0] == 0


def test_what_a_run_leaves_behind_does_not_hold_the_lock(cron: Cron) -> None:
    (cron.folder / "leave-a-daemon").touch()
    assert cron.run() == (0, "")
    (cron.folder / "leave-a-daemon").unlink()
    daemon = int((cron.folder / "daemon.pid").read_text())
    os.kill(daemon, 0)
    try:
        assert cron.run() == (0, "")
        assert len(cron.calls()) == 2
    finally:
        os.kill(daemon, signal.SIGKILL)


def test_a_missing_folder_is_said(cron: Cron) -> None:
    shutil.rmtree(cron.folder)
    code, mail = cron.run()
    assert code != 0
    assert str(cron.folder) in mail


def test_the_crontab_is_no_program() -> None:
    assert not stat.S_IMODE(CRONTAB.stat().st_mode) & 0o111
