"""A collected world without dbt, cheap to copy: real crawl, load and publish; the models are stood in for by SQL."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways import embedded_postgres, postgres, run_ledger
from luigi_tasks.steps import publish
from tests.conftest import TEMPLATE, Warehouse
from tests.image_server import serving
from tests.integration.core_fixtures import MINUTE, Collecting
from tests.prove.world import World
from twin import Catalogue, Twin

PER_MINUTE = 6000
CANARY = "canary-of-the-checker"
STEPS = ("Load", "Model", "Freeze", "Publish", "FetchDetails", "LoadDetails", "Report")
MODELS = """
create schema if not exists draenei_content;
create table draenei_content.wallpapers as
select record_id as wallhaven_id, payload ->> 'url' as url, 'stored' as upload_status, now() as updated_at
from raw.wallhaven_search;
create table draenei_content.wallpaper_versions as
select r.record_id as wallhaven_id, 1 as version_number, '' as content_hash, r.fetched_at as observed_at,
    r.fetched_at as last_observed_at, l.run_key, l.page_name,
    'seen ' || lpad(r.position::text, 6, '0') as observation_key
from raw.wallhaven_search as r join ops.loads as l using (body_sha256);
create view draenei_content.run_audit as select run_key from ops.runs;
create view draenei_content.pending_uploads as
select record_id as wallhaven_id, payload ->> 'path' as image_url,
    'wallpapers/' || record_id || case payload ->> 'file_type' when 'image/png' then '.png' else '.jpg' end as s3_key,
    payload ->> 'file_type' as file_type, (payload ->> 'file_size')::bigint as file_size,
    (payload ->> 'dimension_x')::integer as width, (payload ->> 'dimension_y')::integer as height,
    (payload ->> 'created_at')::timestamptz as uploaded_at
from raw.wallhaven_search as r
where not exists (select from ops.uploads as u
                  where u.wallhaven_id = r.record_id and u.outcome = 'stored' and u.lost_at is null);
"""


class Collected:
    """A world that was collected once; copies of it are a test's own."""

    def __init__(self, server: embedded_postgres.Server, folder: Path, twin: Twin) -> None:
        self.server, self.folder, self.twin = server, folder, twin
        self.name = f"collected_{os.environ.get('PYTEST_XDIST_WORKER', 'gw0')}"
        self._administer(f'drop database if exists "{self.name}" with (force)')
        self._administer(f'create database "{self.name}" template {TEMPLATE} strategy file_copy')
        hosts = (twin.image_host,)
        warehouse = Warehouse(server, self.name, folder / "home")
        collecting = Collecting(
            warehouse, twin.api_url, wallhaven_image_hosts=hosts, wallhaven_rate_per_minute=PER_MINUTE
        )
        run = collecting.run()
        collecting.crawl(run)
        collecting.load(run)
        warehouse.rows(MODELS)
        publish.freeze_step(collecting.settings, run.key)
        publish.publish(collecting.settings, run.key, collecting.store, Silent())
        with postgres.transaction(collecting.settings) as cursor:
            for step in STEPS:
                run_ledger.complete_step(cursor, run.key, step, MINUTE, {})
            run_ledger.settle_run(cursor, run.key)

    @contextmanager
    def copy(self, home: Path) -> Iterator[tuple[World, Warehouse]]:
        """A copy of it, dropped at the end."""
        name = f"{self.name}_copy"
        self._administer(f'drop database if exists "{name}" with (force)')
        self._administer(f'create database "{name}" template "{self.name}" strategy file_copy')
        shutil.copytree(self.folder / "home", home)
        warehouse = Warehouse(self.server, name, home)
        settings = warehouse.settings(
            wallhaven_image_hosts=(self.twin.image_host,), wallhaven_api_url=self.twin.api_url
        )
        with serving() as bait:
            said = [home.parent / "said"]
            yield (
                World(settings, self.twin, bait=bait, per_minute=PER_MINUTE, canaries=(CANARY,), files=said),
                warehouse,
            )
        self._administer(f'drop database if exists "{name}" with (force)')

    def drop(self) -> None:
        """Drop it."""
        self._administer(f'drop database if exists "{self.name}" with (force)')

    def _administer(self, statement: str) -> None:
        with closing(Warehouse(self.server, "postgres", self.folder).connect()) as connection:
            connection.autocommit = True
            connection.cursor().execute(statement)


@pytest.fixture(scope="module")
def collected(
    postgres_server: embedded_postgres.Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Collected]:
    with Twin(Catalogue.generate(6, small=True), rate_per_minute=1_000_000) as twin:
        found = Collected(postgres_server, tmp_path_factory.mktemp("collected"), twin)
        yield found
        found.drop()


Plant = Callable[[World, Warehouse], object]
