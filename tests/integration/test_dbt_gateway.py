"""dbt as a child: its failures name the node, it ends with its parent, sees no secret, and finds the warehouse."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jinja2
import psutil
import pytest
import yaml

from luigi_tasks.domain.errors import ModelError
from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways import dbt_ledger, postgres
from luigi_tasks.gateways.dbt import BuildResult, Dbt, NodeResult
from luigi_tasks.gateways.dbt_profile import write_profile
from luigi_tasks.gateways.postgres import embedded_address
from tests.conftest import REPOSITORY, Warehouse
from tests.integration.core_fixtures import Collecting, Notes, wait_until

BUILDS_IN_A_CHILD = """
import sys
from pathlib import Path
from luigi_tasks import settings
from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways import postgres
from luigi_tasks.gateways.dbt import Dbt
folder, project = map(Path, sys.argv[1:])
Dbt(postgres.address(settings.load()), folder, project).build(Silent(), ["slow"])
"""
SLEEPING = "select count(*) from pg_stat_activity where query like '%pg_sleep%' and pid <> pg_backend_pid()"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A tiny dbt project: a good model, one that fails, one that is slow, and a test that fails."""
    root = tmp_path / "project"
    (root / "models").mkdir(parents=True)
    (root / "dbt_project.yml").write_text("name: tiny\nversion: '1.0'\nconfig-version: 2\nprofile: draenei\n")
    models = {
        "good": "select null::integer as id",
        "after_good": "select id from {{ ref('good') }}",
        "broken": "select 1 / 0 as id",
        "slow": "{{ config(materialized='table') }} select 1 as id from pg_sleep(60)",
    }
    for name, sql in models.items():
        (root / "models" / f"{name}.sql").write_text(sql)
    (root / "models" / "schema.yml").write_text(
        "models:\n  - {name: good, columns: [{name: id, data_tests: [not_null]}]}\n"
        "  - {name: broken, config: {materialized: table}}\n"
    )
    return root


@pytest.fixture
def dbt(warehouse: Warehouse, tmp_path: Path, project: Path) -> Dbt:
    """dbt on the fresh warehouse."""
    write_profile(tmp_path / "dbt", None)
    return Dbt(postgres.address(warehouse.settings()), tmp_path / "dbt", project)


def by_name(result: BuildResult) -> dict[str, str]:
    """Status of each node."""
    return {node.name: node.status for node in result.nodes}


def test_a_failing_test_gates_what_follows_and_is_named_and_kept(dbt: Dbt, warehouse: Warehouse) -> None:
    notes = Notes()
    result = dbt.build(notes, ["good+"])
    assert by_name(result) == {"good": "success", "not_null_good_id": "fail", "after_good": "skipped"}
    with pytest.raises(ModelError, match=r"dbt test not_null_good_id failed: Got 1 result") as failed:
        result.raise_when_failed()
    assert "dbt build --project-dir dbt_project --select not_null_good_id" in str(failed.value)
    assert any("not_null_good_id" in note for note in notes.notes)
    run = Collecting(warehouse, "http://127.0.0.1:1").run()
    with postgres.transaction(warehouse.settings()) as cursor:
        for _ in range(2):
            dbt_ledger.keep_nodes(cursor, run.key, "Model", result)
    rows = warehouse.rows("select resource_type, status, failures, invocation_id from ops.dbt_nodes order by 1, 2")
    assert [row[:3] for row in rows] == [("model", "skipped", None), ("model", "success", None), ("test", "fail", 1)]
    assert {row[3] for row in rows} == {result.invocation_id}


def test_a_failing_model_is_named_with_what_the_server_said(dbt: Dbt) -> None:
    result = dbt.build(Silent(), ["broken"])
    assert by_name(result) == {"broken": "error"}
    with pytest.raises(ModelError, match=r"dbt model broken failed: .*division by zero.*compiled"):
        result.raise_when_failed()


def test_a_selection_of_nothing_is_a_failure_not_a_success(dbt: Dbt) -> None:
    result = dbt.build(Silent(), ["typo"])
    with pytest.raises(ModelError, match=r"dbt ended with \d: .*typo"):
        result.raise_when_failed()


def lives(process: psutil.Process) -> bool:
    """Not ended, and not merely waiting to be buried."""
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_dbt_ends_with_a_killed_parent_and_knows_no_secret(dbt: Dbt, warehouse: Warehouse) -> None:
    secret = ("WALLHAVEN_API_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    secrets = dict.fromkeys(secret, "canary-7f3a")
    parent = subprocess.Popen(
        [sys.executable, "-c", BUILDS_IN_A_CHILD, str(dbt.folder), str(dbt.project)],
        cwd=REPOSITORY,
        env={**os.environ, **warehouse.environ, **secrets, "PGSSLMODE": "prefer"},
    )
    with parent:
        asleep = wait_until(lambda: parent.poll() is not None or warehouse.rows(SLEEPING) == [(1,)], 120)
        assert parent.poll() is None, "it builds"
        children = psutil.Process(parent.pid).children(recursive=True)
        environ, command = children[0].environ(), children[0].cmdline()
        parent.send_signal(signal.SIGKILL)
        assert asleep
        assert len(children) >= 2, "the child that waits and its fork that builds"
        assert wait_until(lambda: not any(map(lives, children)), 20)
        assert wait_until(lambda: warehouse.rows(SLEEPING) == [(0,)], 20), "its backend ends too, and its locks"
    assert "canary" not in str(environ)
    assert warehouse.environ["PGPASSWORD"] not in " ".join([*command, *environ.values()])
    assert environ["PGSSLMODE"] == "prefer"
    assert (environ["DBT_SEND_ANONYMOUS_USAGE_STATS"], environ["DO_NOT_TRACK"]) == ("false", "1")


def debug(project: Path, profiles: Path, environ: dict[str, str]) -> str:
    """What `dbt debug` by hand says of the connection."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("dbt")), "debug", "--connection", "--project-dir", str(project)],
        env={"PATH": os.environ["PATH"], "HOME": str(profiles), "DBT_PROFILES_DIR": str(profiles), **environ},
        cwd=profiles,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_dbt_by_hand_says_how_to_start_the_embedded_server_and_obeys_pg_variables(
    warehouse: Warehouse, project: Path, tmp_path: Path
) -> None:
    down = replace(warehouse.server, port=1)
    write_profile(tmp_path / "profiles", embedded_address(down))
    said = debug(project, tmp_path / "profiles", {})
    assert "the embedded database is down: start it with `python -m luigi_tasks up`" in said
    assert down.password not in said
    assert "All checks passed" in debug(project, tmp_path / "profiles", warehouse.environ)


def test_dbt_by_hand_finds_the_embedded_server(warehouse: Warehouse, project: Path, tmp_path: Path) -> None:
    write_profile(tmp_path / "profiles", embedded_address(replace(warehouse.server, dbname=warehouse.dbname)))
    assert "All checks passed" in debug(project, tmp_path / "profiles", {})


def test_the_profile_is_private_and_written_only_when_it_changes(warehouse: Warehouse, tmp_path: Path) -> None:
    path = write_profile(tmp_path / "dbt", embedded_address(warehouse.server))
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.stat().st_ino
    assert write_profile(tmp_path / "dbt", embedded_address(warehouse.server)).stat().st_ino == before
    assert write_profile(tmp_path / "dbt", None).stat().st_ino != before
    assert [file.name for file in path.parent.iterdir()] == ["profiles.yml"]
    assert yaml.safe_load(path.read_text())["draenei"]["outputs"]["warehouse"]["type"] == "postgres"


def node(unique_id: str, status: str = "success", message: str | None = None) -> NodeResult:
    """A node as run_results.json tells of it."""
    return NodeResult(unique_id, status, 0.1, None, message, None)


@pytest.mark.parametrize(
    ("unique_id", "kind", "name"),
    [
        ("model.draenei.wallpapers", "model", "wallpapers"),
        ("test.draenei.unique_wallpapers_id.0a1b2c", "test", "unique_wallpapers_id"),
        ("unit_test.draenei.wallpapers.latest_version_wins", "unit_test", "latest_version_wins"),
    ],
)
def test_a_node_is_named_as_select_takes_it(unique_id: str, kind: str, name: str) -> None:
    assert (node(unique_id).resource_type, node(unique_id).name) == (kind, name)


def test_a_build_is_good_only_when_both_the_exit_code_and_every_node_are() -> None:
    good, bad = node("model.t.a"), node("test.t.b.1", "fail", "Got 3\n  results")
    BuildResult("i", (good,), 0, "").raise_when_failed()
    with pytest.raises(ModelError, match="dbt ended with -9: it was here"):
        BuildResult("", (), -9, "it was here").raise_when_failed()
    with pytest.raises(ModelError, match="dbt ended with 1"):
        BuildResult("i", (good,), 1, "").raise_when_failed()
    with pytest.raises(ModelError, match="dbt test b failed and 1 more: Got 3 results"):
        BuildResult("i", (good, bad, node("model.t.c", "error")), 0, "").raise_when_failed()


@pytest.mark.parametrize("password", ["plain", 'it\'s "quoted" \\ {% é {{ x }} : #'])
def test_any_password_comes_through_yaml_and_jinja(password: str, tmp_path: Path) -> None:
    path = write_profile(tmp_path, {"PGHOST": "db", "PGPASSWORD": password}, embedded=False)
    outputs = yaml.safe_load(path.read_text())["draenei"]["outputs"]["warehouse"]
    render = jinja2.Environment(autoescape=False).from_string
    assert render(outputs["password"]).render(env_var=lambda _name, default: default) == password
    assert render(outputs["host"]).render(env_var=lambda _name, default: default) == "db"
