"""deploy/systemd: systemd accepts the units; every source has its timer, as often as the alerts expect."""

from __future__ import annotations

import datetime
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from luigi_tasks.sources import CATALOGUE
from tests.integration.test_crontab import CRONTAB, FILLING, PLACEHOLDER

SYSTEMD = CRONTAB.with_name("systemd")
UNITS = sorted(path for path in SYSTEMD.rglob("*") if path.is_file())
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def setting(path: Path, name: str) -> list[str]:
    """The values that a unit gives a name."""
    return re.findall(rf"^{name}=(.+)$", path.read_text(), re.MULTILINE)


def test_every_source_has_a_timer_that_starts_the_one_unit() -> None:
    timers = {path.name for path in SYSTEMD.glob("draenei-collect@*.timer")}
    assert timers == {f"draenei-collect@{source}.timer" for source in CATALOGUE}
    assert setting(SYSTEMD / "draenei-collect@.service", "ExecStart") == [
        f"{PLACEHOLDER}/.venv/bin/luigi --module luigi_tasks Collect --source %i"
    ]


def test_randomuser_fills_gaps_as_the_crontab_does() -> None:
    (filling,) = setting(SYSTEMD / "draenei-collect@randomuser.service.d" / "minutes.conf", "ExecStart")
    words = FILLING.replace('"$RANDOMUSER_SINCE"', "${RANDOMUSER_SINCE}")
    assert filling == f"{PLACEHOLDER}/.venv/bin/luigi --module luigi_tasks RangeByMinutes {words}"


def test_no_unit_has_a_folder_that_the_installation_does_not_replace() -> None:
    for unit in UNITS:
        assert set(re.findall(r"/srv/[\w-]+", unit.read_text())) <= {PLACEHOLDER}, unit.name


@needs_systemd
@pytest.mark.parametrize("source", CATALOGUE)
def test_each_source_runs_as_often_as_the_alerts_expect(source: str) -> None:
    (mark,) = setting(SYSTEMD / f"draenei-collect@{source}.timer", "OnCalendar")
    said = subprocess.run(
        ["systemd-analyze", "calendar", "--iterations=2", mark],
        env={"TZ": "UTC", "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    first, second = (
        datetime.datetime.fromisoformat(found)
        for found in re.findall(r"(?:Next elapse|Iter[a-z.]* #2): \w+ ([\d-]+ [\d:]+) UTC", said)
    )
    assert second - first == datetime.timedelta(minutes=CATALOGUE[source].EVERY_MINUTES)


@needs_systemd
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    program_folder = tmp_path / ".venv" / "bin"
    program_folder.mkdir(parents=True)
    for program in ("luigi", "python"):
        (program_folder / program).symlink_to(Path(sys.executable).with_name(program))
    for path in UNITS:
        unit = tmp_path / path.relative_to(SYSTEMD)
        unit.parent.mkdir(exist_ok=True)
        unit.write_text(path.read_text().replace(PLACEHOLDER, str(tmp_path)))
    timers = sorted(str(path) for path in tmp_path.glob("*.timer"))
    services = [f"{tmp_path}/draenei-collect@{source}.service" for source in CATALOGUE]
    units = [*timers, *services, f"{tmp_path}/draenei-fsck.service"]
    assert len(units) == 2 * len(CATALOGUE) + 2
    ended = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout + ended.stderr) == (0, "")
