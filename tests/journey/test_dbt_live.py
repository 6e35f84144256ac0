"""A failing dbt test, watched in the central scheduler's page: red, explained, everything below it blocked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.journey.running import RUN, Pipeline, wait_until
from tests.journey.test_workers_and_scheduler import Luigid, started_luigid

# What Load enters says one record more than there is.
ONE_TOO_MANY = """
create function ops.one_too_many() returns trigger language plpgsql as $$ begin
    new.received := new.received + 1;
    new.loaded := new.loaded + 1;
    return new;
end $$;
create trigger one_too_many before insert on ops.loads for each row execute function ops.one_too_many();
"""
AS_IT_IS = """
drop function ops.one_too_many cascade;
update ops.loads set received = received - 1, loaded = loaded - 1;
"""
TEST = "assert_received_is_loaded_duplicate_or_quarantined"


@pytest.fixture
def luigid(pipeline: Pipeline) -> Iterator[Luigid]:
    """A luigid on a free port of loopback."""
    yield from started_luigid(pipeline)


def nodes(luigid: Luigid, status: str, upstream: str = "") -> dict[str, dict[str, Any]]:
    """dbt's nodes of a status, by name."""
    tasks = luigid.ask("task_list", status=status, upstream_status=upstream).values()
    return {task["params"]["name"]: task for task in tasks if task["name"].startswith("dbt.")}


def test_a_failing_test_is_seen_gates_the_uploads_and_the_same_command_goes_on_there(
    pipeline: Pipeline, luigid: Luigid
) -> None:
    pipeline.rows(ONE_TOO_MANY)
    failed = pipeline.collect(RUN, *luigid.words, DETAILS_PER_RUN="0", DRAENEI_PROGRESS="plain")
    assert failed.returncode == 30, failed.stderr
    assert f"Model: ✗ test {TEST}  fail, " in failed.stderr

    red = nodes(luigid, "FAILED")
    assert list(red) == [TEST]
    assert red[TEST]["params"] == {"name": TEST, "run_id": RUN, "source": "wallhaven", "step": "Model"}
    (task_id,) = [name for name in luigid.ask("task_list", status="FAILED", upstream_status="") if TEST in name]
    error = luigid.ask("fetch_error", task_id=task_id)["error"]
    assert error.startswith(f"dbt test {TEST}: ")
    assert "1 rows that should not be" in error
    assert f"{pipeline.home}/dbt/target/compiled/draenei/tests/{TEST}.sql" in error
    assert "select" in error
    assert nodes(luigid, "PENDING") == nodes(luigid, "PENDING", "UPSTREAM_FAILED"), "what waits is blocked"
    assert nodes(luigid, "RUNNING") == {}
    assert set(luigid.tasks("FAILED")) == {"Model", "dbt.test"}
    assert pipeline.twin.image_requests() == []

    (root,) = [
        name
        for name in luigid.ask("task_list", status="PENDING", upstream_status="UPSTREAM_FAILED")
        if name.startswith("Collect_")
    ]
    graph = luigid.ask("dep_graph", task_id=root)
    assert task_id in graph, "the graph of Collect shows the nodes"
    gated = [task["params"]["name"] for task in graph.values() if task_id in task.get("deps", ())]
    assert gated, "a test of sources gates what reads them"
    assert set(gated) <= set(nodes(luigid, "PENDING", "UPSTREAM_FAILED"))
    count = "select count(*) from ops.dbt_nodes where run_key like '%%07:00' and step = 'Model'"
    first = pipeline.value(count)
    done = nodes(luigid, "DONE")
    assert first == len(done) + len(red) + len(nodes(luigid, "PENDING", "UPSTREAM_FAILED")) + 2  # two hooks
    folder = next((pipeline.home / "dbt" / "runs").glob("*07:00")) / "Model"
    assert (folder / "run_results.json").exists()

    pipeline.rows(AS_IT_IS)
    mended = pipeline.collect(RUN, *luigid.words, DETAILS_PER_RUN="0")
    assert (mended.returncode, mended.stderr) == (0, "")
    pipeline.whole()
    again = "select count(*) from ops.dbt_nodes where unique_id = %s and run_key like '%%07:00' and step = 'Model'"
    assert pipeline.value(again, f"test.draenei.{TEST}") == 2
    assert nodes(luigid, "FAILED") == nodes(luigid, "PENDING") == nodes(luigid, "RUNNING") == {}


@pytest.mark.prove
def test_what_a_killed_build_left_is_ended_by_the_next_run(pipeline: Pipeline, luigid: Luigid) -> None:
    with pipeline.kept_out_of("ops.dbt_builds") as somebody_waits:
        child = pipeline.start(RUN, *luigid.words, DETAILS_PER_RUN="0")
        wait_until(lambda: nodes(luigid, "PENDING") and somebody_waits(), "dbt's nodes")
        child.kill()
    assert nodes(luigid, "PENDING"), "luigid does not know"
    stopped = pipeline.start(RUN, *luigid.words, DETAILS_PER_RUN="0")
    wait_until(lambda: nodes(luigid, "FAILED") or not stopped.runs(), "the end of what was killed")
    ended = stopped.ended()
    assert (ended.returncode, ended.stderr) == (0, "")
    assert nodes(luigid, "FAILED") == nodes(luigid, "PENDING") == nodes(luigid, "RUNNING") == {}
