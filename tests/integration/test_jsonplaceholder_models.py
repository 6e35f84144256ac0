"""Deletions that nothing announces, and references that lead nowhere: what the models make of them."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from luigi_tasks.domain.errors import ModelError
from luigi_tasks.domain.progress import Silent
from luigi_tasks.domain.run import Run
from luigi_tasks.steps import model, summary
from luigi_tasks.verbs.quarantine import quarantine
from tests.conftest import Warehouse
from tests.integration.source_cases import World, started
from twin.jsonplaceholder import Jsonplaceholder

ORPHANS = """
select count(*) from draenei_content.jsonplaceholder_comments as c
where not exists (select from draenei_content.jsonplaceholder_posts as p where p.id = c.post_id)
"""


DANGLING = "select entity, record_id, reason, run_key from draenei_content.jsonplaceholder_dangling"
WARNS = "assert_jsonplaceholder_references_lead_somewhere"


def build(world: World, share: float = 0.05) -> Run:
    """A run up to its models."""
    run = world.run()
    world.fetch(run)
    world.load(run)
    own = world.settings.model_copy(update={"quarantine_max_share": share})
    model.build(own, run.key, "Model", Silent(), model.selection("jsonplaceholder"))
    return run


def test_what_is_gone_is_marked_and_a_reference_to_nothing_is_named_until_it_is_mended(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, listed = warehouse.rows, "select id from draenei_content.jsonplaceholder_{} where not is_listed order by 1"
    with started("jsonplaceholder") as twin:
        world, site = World("jsonplaceholder", twin, warehouse), twin.sites["jsonplaceholder"]
        assert isinstance(site, Jsonplaceholder)
        site.update("posts", 3, title=None)
        site.update("comments", 30, postId=999)
        first = build(world)
        assert rows("select record_id from ops.quarantine where entity = 'posts' and state = 'open'") == [("3",)]
        assert rows(ORPHANS)[0][0] > 1, "comments of the post in quarantine too"
        assert rows(DANGLING) == [("comments", "30", "posts 999, which the source has never listed", first.key)]
        assert rows(listed.format("posts")) == []
        assert_told(world, first, monkeypatch)

        site.update("posts", 3, title="mended")
        site.remove("posts", 5)
        site.remove("photos", 7)
        with pytest.raises(ModelError, match="assert_jsonplaceholder_dangling_is_within_the_budget"):
            build(world, share=0.03)
        gone = "select id, version_number, last_seen_at = updated_at from draenei_content.jsonplaceholder_{}"
        assert rows(gone.format("posts") + " where not is_listed") == [(5, 1, True)]
        assert rows(listed.format("photos")) == [(7,)]
        assert rows(listed.format("users")) == []
        assert rows(ORPHANS) == [(1,)]

        site.update("comments", 30, postId=6)
        mended = build(world, share=0)
        assert rows(DANGLING) == []
        assert "refer to" not in "\n".join(summary.lines(summary.facts(world.settings, mended.key)))


def assert_told(world: World, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a test that warns, the summary and `quarantine list`."""
    nodes = "select status, failures from ops.dbt_nodes where run_key = %s and unique_id like %s"
    assert world.warehouse.rows(nodes, run.key, f"%{WARNS}%") == [("warn", 1)]
    facts = summary.facts(world.settings, run.key) | {"state": "succeeded"}
    assert "  warning     1 records refer to some that the source has never listed" in summary.lines(facts)
    for name, value in world.warehouse.environ.items():
        monkeypatch.setenv(name, value)
    said = CliRunner().invoke(quarantine, ["list"])
    assert f"dangling  jsonplaceholder comments 30  {run.key}" in said.output
    assert "refers to posts 999, which the source has never listed" in said.output
