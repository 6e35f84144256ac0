"""Deletions that nothing announces, and references that lead nowhere: what the models make of them."""

from __future__ import annotations

import pytest

from luigi_tasks.domain.errors import ModelError
from luigi_tasks.domain.progress import Silent
from luigi_tasks.steps import model
from tests.conftest import Warehouse
from tests.integration.source_cases import World, started
from twin.jsonplaceholder import Jsonplaceholder

ORPHANS = """
select count(*) from draenei_content.jsonplaceholder_comments as c
where not exists (select from draenei_content.jsonplaceholder_posts as p where p.id = c.post_id)
"""


def build(world: World) -> None:
    """A run up to its models."""
    run = world.run()
    world.fetch(run)
    world.load(run)
    model.build(world.settings, run.key, "Model", Silent(), model.selection("jsonplaceholder"))


def test_what_is_gone_is_marked_and_a_reference_to_nothing_fails(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, listed = warehouse.rows, "select id from draenei_content.jsonplaceholder_{} where not is_listed order by 1"
    with started("jsonplaceholder") as twin:
        world, site = World("jsonplaceholder", twin, warehouse), twin.sites["jsonplaceholder"]
        assert isinstance(site, Jsonplaceholder)
        site.update("posts", 3, title=None)
        build(world)
        assert rows("select record_id from ops.quarantine where entity = 'posts' and state = 'open'") == [("3",)]
        assert rows(ORPHANS)[0][0] > 0, "comments of the post in quarantine: the build passes all the same"
        assert rows(listed.format("posts")) == []

        site.update("posts", 3, title="mended")
        site.remove("posts", 5)
        site.remove("photos", 7)
        site.update("comments", 30, postId=999)
        with pytest.raises(ModelError, match="refers_to_a_record_jsonplaceholder_comments"):
            build(world)
        gone = "select id, version_number, last_seen_at = updated_at from draenei_content.jsonplaceholder_{}"
        assert rows(gone.format("posts") + " where not is_listed") == [(5, 1, True)]
        assert rows(listed.format("photos")) == [(7,)]
        assert rows(listed.format("users")) == []
        assert rows(ORPHANS) == [(1,)]
