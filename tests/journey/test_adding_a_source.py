"""docs/adding-a-source.md, done as it says: its files and lines in a copy of the repository, then the plain command."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from luigi_tasks.gateways import parquet
from luigi_tasks.warehouse import migrate
from tests.conftest import REPOSITORY, Warehouse
from tests.journey.running import RUN

PAGE = (REPOSITORY / "docs" / "adding-a-source.md").read_text()
FILES = dict(re.findall(r"`([\w/.]+)`:\n\n```\w+\n(.*?)```", PAGE, re.DOTALL))
LINES = dict(re.findall(r"^\| `([\w/.]+)` \| `([^`]+)`", PAGE, re.MULTILINE))
SETTINGS = "luigi_tasks/source_settings.py"
BAD = '{"holidayDate": "2026-05-01", "name": "Labour Day", "daysOff": -1},'


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A copy of the repository after the page's steps; the stand-in has one holiday more, which no schema takes."""
    copy = tmp_path / "repository"
    left_out = shutil.ignore_patterns("target", "logs", "__pycache__")
    for name in ("luigi_tasks", "twin", "dbt_project"):
        shutil.copytree(REPOSITORY / name, copy / name, ignore=left_out)
    shutil.copy(REPOSITORY / "luigi.cfg", copy)
    edit(copy / "luigi.cfg", "scheduler_port = 8082", "scheduler_port = 1")  # whatever runs on this machine
    for path, text in FILES.items():
        if path != SETTINGS:
            number = f"{len(migrate.available()) + 100:04}"
            (copy / path.replace("00NN", number)).parent.mkdir(parents=True, exist_ok=True)
            (copy / path.replace("00NN", number)).write_text(text)
    edit(copy / SETTINGS, "class SourceSettings(", f"{FILES[SETTINGS]}\n\nclass SourceSettings({LINES[SETTINGS]}, ")
    catalogue = "luigi_tasks/sources/__init__.py"
    edit(copy / catalogue, "import jsonplaceholder,", "import almanac, jsonplaceholder,")
    edit(copy / catalogue, "] = {\n", f"] = {{\n    {LINES[catalogue]}\n")
    audit = "dbt_project/models/marts/run_audit.sql"
    edit(copy / audit, "changes_by_run({", "changes_by_run({\n        " + LINES[audit])
    edit(copy / "twin/almanac.py", "self.holidays = [", f"self.holidays = [{BAD}")
    return copy


def edit(path: Path, old: str, new: str) -> None:
    """Replace what stands there exactly once."""
    text = path.read_text()
    assert text.count(old) == 1, (path, old)
    path.write_text(text.replace(old, new))


def test_the_page_s_source_is_collected_by_the_plain_command(warehouse: Warehouse, repository: Path) -> None:
    def typed(*words: str) -> str:
        environ = {"PATH": os.defpath, "HOME": str(warehouse.home), "DRAENEI_HOME": str(warehouse.home)}
        environ |= warehouse.environ | {"PYTHONPATH": str(repository), "QUARANTINE_MAX_SHARE": "0.5"}
        done = subprocess.run(words, cwd=repository, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    luigi = str(Path(sys.executable).with_name("luigi"))
    collect = ("--module", "luigi_tasks", "Collect", "--source", "almanac", "--run-id", RUN)
    said = typed(sys.executable, "-m", "twin.run", "--small", "--", luigi, *collect)
    assert "new         2, changed 0, quarantined 1" in said

    holidays = "select holiday_date::text, name, days_off, version_number from draenei_content.almanac_holidays"
    assert warehouse.rows(f"{holidays} order by 1") == [
        ("2026-01-01", "New Year's Day", 1, 1),
        ("2026-12-25", "Christmas", 2, 1),
    ]
    audit = "select source, state, seen, inserted, updated, quarantined from draenei_content.run_audit"
    assert warehouse.rows(audit) == [("almanac", "succeeded", 2, 2, 0, 1)]
    nodes = {name for (name,) in warehouse.rows("select split_part(unique_id, '.', 3) from ops.dbt_nodes")}
    assert {"almanac_holidays", "run_audit", "assert_almanac_loads_add_up"} <= nodes
    assert "wallpapers" not in nodes
    (file,) = (warehouse.home / "objects" / "clean" / "almanac" / "holidays").rglob("*.parquet")
    assert [str(row["holiday_date"]) for row in parquet.read(file.read_bytes())] == ["2026-01-01", "2026-12-25"]

    listed = typed(sys.executable, "-m", "luigi_tasks", "status")
    assert re.search(rf"^source +almanac +1 runs, the latest {RUN} succeeded$", listed, re.MULTILINE)
