"""Who is told of dbt's nodes: the scheduler's page, unless the setting says no or Luigi schedules locally."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

ASK = """
import datetime, json, sys
from luigi.cmdline_parser import CmdlineParser
from luigi_tasks import settings
from luigi_tasks.domain.run import Query, Run
from luigi_tasks.pipeline import Fetch, Model
from luigi_tasks.steps import rounds
from luigi_tasks.watching import beside, watchers
own, run = settings.load(), Run(Query.of("wallhaven", "draenei", {}), "2026-11-21T07:00")
minute = datetime.datetime(2026, 11, 21, 7, 0)
with CmdlineParser.global_instance(["Model", "--module", "luigi_tasks", *sys.argv[1:]]):
    found = [*watchers(Model(run_id=minute), own, run), *beside(Fetch(run_id=minute), own, run, rounds.STEP)]
print(json.dumps([(type(one).__name__, one.place.step) for one in found]))
"""
TOLD = [["SchedulerNodes", "Model"], ["SchedulerNodes", "Early"]]


@pytest.mark.parametrize(
    ("words", "setting", "told"),
    [((), "true", TOLD), ((), "false", []), (("--local-scheduler",), "true", [])],
)
def test_the_scheduler_is_told_when_there_is_one_and_it_is_wanted(
    words: tuple[str, ...], setting: str, told: list[list[str]]
) -> None:
    environ = {"PATH": os.defpath, "DBT_NODES_IN_SCHEDULER": setting, "DRAENEI_PROGRESS": "none"}
    environ |= {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    command = [sys.executable, "-W", "ignore", "-c", ASK, *words]
    said = subprocess.run(command, cwd=REPOSITORY, env=environ, capture_output=True, text=True, check=True)
    assert json.loads(said.stdout) == told
