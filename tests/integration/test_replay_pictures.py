"""After a replay, and Derive over the objects that stand in the bucket, the models of pictures say what they said."""

from __future__ import annotations

import hashlib
from contextlib import closing
from pathlib import Path

import pytest

from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways import canonical_export, postgres
from luigi_tasks.gateways.canonical_export import Table
from luigi_tasks.settings import Settings
from luigi_tasks.steps import derive, model, publish
from tests.conftest import Warehouse
from tests.integration.core_fixtures import Collecting
from tests.integration.replay_fixtures import another_database, replayed
from twin import Catalogue, Twin

PICTURES = (
    Table("draenei_intermediate.int_picture_hashes", ("wallhaven_id",)),
    Table("draenei_intermediate.int_picture_bands", ("wallhaven_id",)),
    Table("draenei_content.duplicate_pairs", ("wallhaven_id_a", "wallhaven_id_b")),
    Table("draenei_content.duplicate_clusters", ("wallhaven_id",)),
)


def measured(settings: Settings, collecting: Collecting, run_key: str) -> dict[str, str]:
    """The digests of the models of pictures, after these were measured."""
    derive.derive(settings, run_key, "wallhaven", collecting.store, Silent())
    model.build(settings, run_key, "Model", Silent(), model.selection("wallhaven"))
    with closing(postgres.connect(settings, as_owner=True)) as connection, connection:
        return {table.name: canonical_export.digest(connection, table)[0] for table in PICTURES}


@pytest.mark.prove
def test_pictures_measured_again_after_a_replay_are_the_same_duplicates(warehouse: Warehouse, tmp_path: Path) -> None:
    catalogue = Catalogue.generate(8, small=True, shared_picture=True)
    with Twin(catalogue, rate_per_minute=10_000) as twin:
        collecting = Collecting(warehouse, twin.api_url, wallhaven_image_hosts=twin.image_host)
        run = collecting.run()
        collecting.crawl(run)
        collecting.load(run)
        model.build(collecting.settings, run.key, "Model", Silent(), model.selection("wallhaven"))
        publish.freeze_step(collecting.settings, run.key)
        publish.publish(collecting.settings, run.key, collecting.store, Silent())
        live = measured(collecting.settings, collecting, run.key)
    assert hashlib.sha256().hexdigest() not in live.values(), "no table of the proof is empty"
    with another_database(warehouse, tmp_path / "replayed") as own:
        replayed(collecting, own)
        assert measured(own, collecting, run.key) == live
