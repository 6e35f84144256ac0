"""A build that failed goes on where it failed: what was well is kept, what changed since is built again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from luigi_tasks.domain.dbt_graph import Graph, News
from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways import postgres
from luigi_tasks.gateways.dbt import BuildResult, Dbt, NodeResult
from luigi_tasks.gateways.dbt_artifacts import Kept, counters
from luigi_tasks.gateways.dbt_events import told
from luigi_tasks.gateways.dbt_profile import write_profile
from tests.conftest import Warehouse

MODELS = {
    "first": "select 1 as id",
    "reader": "select count(*) as id from {{ source('ops', 'facts') }}",
    "broken": "select 0 / (select count(*) from public.mended) as id from {{ ref('first') }}",
    "after": "select id from {{ ref('broken') }}",
}
SOURCES = "sources:\n  - {name: ops, schema: ops, tables: [{name: facts}]}\n"
TESTS = "models:\n  - {name: first, columns: [{name: id, data_tests: [not_null]}]}\n"
ASKED = {"select": ["everything"]}


class Seen:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.graph, self.news, self.ends = Graph({}), list[News](), list[str]()

    def begin(self, graph: Graph) -> None:
        self.graph = graph

    def tell(self, news: News) -> None:
        self.news.append(news)

    def end(self, said: str) -> None:
        self.ends.append(said)


@pytest.fixture
def dbt(warehouse: Warehouse, tmp_path: Path) -> Dbt:
    root = tmp_path / "project"
    (root / "models").mkdir(parents=True)
    (root / "dbt_project.yml").write_text(
        "name: tiny\nversion: '1.0'\nconfig-version: 2\nprofile: draenei\nmodels: {+materialized: table}\n"
    )
    for name, sql in MODELS.items():
        (root / "models" / f"{name}.sql").write_text(sql)
    (root / "models" / "schema.yml").write_text(SOURCES + TESTS)
    write_profile(tmp_path / "dbt", None)
    warehouse.rows("create table ops.facts (id integer)")
    warehouse.rows("create table public.mended (id integer)")
    return Dbt(postgres.address(warehouse.settings()), tmp_path / "dbt", root)


def changes(warehouse: Warehouse) -> dict[str, int]:
    with postgres.transaction(warehouse.settings()) as cursor:
        return counters(cursor)


def build(dbt: Dbt, kept: Kept, warehouse: Warehouse, last: str) -> tuple[BuildResult, Seen]:
    """As the step does it."""
    seen = Seen()
    resume = kept.resume(ASKED, changes(warehouse), last)
    with told([seen]) as tell:
        result = Dbt(dbt.variables, dbt.folder, dbt.project, tell).build(Silent(), resume=resume)
    kept.keep(dbt.folder / "target", result, ASKED, changes(warehouse))
    return result, seen


def names(result: BuildResult) -> dict[str, str]:
    return {node.name: node.status for node in result.nodes}


def test_it_goes_on_at_what_failed_and_with_what_changed(dbt: Dbt, warehouse: Warehouse, tmp_path: Path) -> None:
    kept = Kept(tmp_path / "runs", "wallhaven/draenei/2026-11-21T07:00", "Model")
    failed, seen = build(dbt, kept, warehouse, "none")
    good = {"first": "success", "not_null_first_id": "pass", "reader": "success"}
    assert names(failed) == {**good, "broken": "error", "after": "skipped"}
    states = {news.unique_id.split(".")[2]: news.state for news in seen.news}
    assert states == {"first": "DONE", "not_null_first_id": "DONE", "reader": "DONE", "broken": "FAILED"} | {
        "after": "BLOCKED"
    }
    assert any("division by zero" in news.message for news in seen.news)
    assert "division by zero" in seen.ends[0]
    gates = {name.split(".")[2] for name in seen.graph.waits_for("model.tiny.broken")}
    assert gates == {"first", "not_null_first_id"}

    warehouse.rows("insert into public.mended values (1)")
    asis = shutil.copytree(kept.folder, tmp_path / "asis")
    mended, seen = build(dbt, kept, warehouse, failed.invocation_id)
    assert names(mended) == {"broken": "success", "after": "success"}, "only what was not well"
    kept_nodes = {node.name for node in seen.graph.nodes.values() if node.kept}
    assert kept_nodes == set(good)

    assert kept.resume(ASKED, changes(warehouse), mended.invocation_id) is None, "a good build leaves nothing to go on"
    shutil.copytree(asis, kept.folder, dirs_exist_ok=True)
    assert kept.resume(ASKED, {}, "another build since") is None
    assert kept.resume({"select": ["else"]}, {}, failed.invocation_id) is None

    warehouse.rows("insert into ops.facts values (1)")
    (dbt.project / "models" / "first.sql").write_text("select 2 as id")
    again, _ = build(dbt, kept, warehouse, failed.invocation_id)
    assert set(names(again)) == {*good, "broken", "after"}, "the project and a table that it reads changed"
    assert set(names(again).values()) == {"success", "pass"}
    assert warehouse.rows("select first.id, reader.id from draenei_content.first, draenei_content.reader") == [(2, 1)]


def test_runs_are_kept_up_to_a_number(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    result, built = BuildResult("i", (), 0, ""), NodeResult("model.t.a", "success", 0.1, None, None, None)
    target = tmp_path / "target"
    target.mkdir()
    for name in ("manifest.json", "run_results.json"):
        (target / name).write_text("{}")
    for number in range(5):
        kept = Kept(runs, f"wallhaven/q/{number}", "Model")
        kept.keep(target, BuildResult("i", (built,), 0, ""), ASKED, {})
        kept.keep(target, result, ASKED, {})
        kept.sweep(3)
    assert sorted(run.name for run in runs.iterdir()) == [f"wallhaven__q__{number}" for number in (2, 3, 4)]
    assert {file.name for file in (runs / "wallhaven__q__4" / "Model").iterdir()} == {
        "build.json",
        "manifest.json",
        "run_results.json",
    }
