"""The child that is kept: one start of dbt for many builds, its cache is never stale, a crash is no obstacle."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways import postgres
from luigi_tasks.gateways.dbt import Dbt
from luigi_tasks.gateways.dbt_process import Child
from luigi_tasks.gateways.dbt_profile import write_profile
from tests import parse_cache
from tests.conftest import Warehouse
from tests.integration.core_fixtures import wait_until

CONTENT = "draenei_content"
# What is in a configuration is known since the parse.
MODEL = """{{{{ config(meta={{'env': env_var('UPLOAD_MAX_ATTEMPTS', '5')}}) }}}}
select {what} as what, '{{{{ model.config.meta.env }}}}' as env"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "models").mkdir(parents=True)
    (root / "dbt_project.yml").write_text("name: tiny\nversion: '1.0'\nconfig-version: 2\nprofile: draenei\n")
    (root / "models" / "one.sql").write_text(MODEL.format(what=1))
    return root


@pytest.fixture
def dbt(warehouse: Warehouse, tmp_path: Path, project: Path) -> Dbt:
    """Its first build is the first of a child, whatever was built before in this process."""
    if Child._shared is not None:
        Child._shared.close()
    write_profile(tmp_path / "dbt", None)
    return Dbt(postgres.address(warehouse.settings()), tmp_path / "dbt", project, observe=lambda event: None)


def child() -> psutil.Process:
    """The process that is kept."""
    assert Child._shared is not None
    return psutil.Process(Child._shared._process.pid)


def test_one_child_builds_what_is_there_now_also_after_a_crash_and_with_a_broken_cache(
    dbt: Dbt, project: Path, warehouse: Warehouse
) -> None:
    def built(dbt: Dbt, schema: str = CONTENT) -> tuple[Any, ...]:
        dbt.build(Silent()).raise_when_failed()
        return warehouse.rows(f"select what, env from {schema}.one")[0]

    assert built(dbt) == (1, "5")
    first = child()
    assert (dbt.folder / parse_cache.PARSED).exists()
    assert "model draenei" in (dbt.folder / "logs" / "dbt.log").read_text(), "dbt's own log is kept, whole"
    other = replace(dbt, folder=dbt.folder.parent / "other")
    write_profile(other.folder, None)
    assert built(other) == (1, "5")
    assert not (other.folder / parse_cache.PARSED).exists(), "what did not change is not parsed again"
    more = replace(dbt, variables={**dbt.variables, "UPLOAD_MAX_ATTEMPTS": "7"})
    assert built(more) == (1, "7"), "a variable that was changed is read anew"
    (dbt.folder / "profiles.yml").write_text((dbt.folder / "profiles.yml").read_text().replace(CONTENT, "elsewhere"))
    assert built(dbt, "elsewhere") == (1, "5"), "and so is the profile"
    write_profile(dbt.folder, None)
    (project / "models" / "one.sql").write_text(MODEL.format(what=2))
    assert built(dbt) == (2, "5"), "and so is a model"
    assert child() == first, "one start of dbt served all of them"
    assert first.children() == [], "and nothing of a build stays"
    assert first.num_threads() == 1, "a fork would wait for others, which it does not have"

    first.send_signal(signal.SIGKILL)
    assert wait_until(lambda: first.status() == psutil.STATUS_ZOMBIE, 20)
    (dbt.folder / parse_cache.PARSED).write_bytes(b"cut sho")
    (project / "models" / "one.sql").write_text(MODEL.format(what=3))
    assert built(dbt) == (3, "5"), "a child that is gone is replaced, a cache that is broken is made anew"
    assert child() != first


def test_every_start_and_end_of_a_node_can_be_observed(dbt: Dbt) -> None:
    events: list[Mapping[str, Any]] = []
    replace(dbt, observe=events.append).build(Silent()).raise_when_failed()
    told = [
        (event["info"]["name"], event["data"]["node_info"]["unique_id"])
        for event in events
        if event.get("info", {}).get("name") in {"LogStartLine", "LogModelResult"}
    ]
    assert told == [("LogStartLine", "model.tiny.one"), ("LogModelResult", "model.tiny.one")]


def test_a_fork_of_this_process_does_not_use_its_child(dbt: Dbt) -> None:
    Child.shared()
    kept = child()
    pid = os.fork()
    if pid == 0:
        own = Child.shared()
        different = own._process.pid != kept.pid
        own.close()
        os._exit(0 if different and kept.is_running() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert kept.is_running()
    dbt.build(Silent()).raise_when_failed()
    assert child() == kept
