"""dbt's tests read what changed since they last passed: a failure is not forgotten, and everything can be asked for."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways import dbt_profile, postgres
from luigi_tasks.gateways.dbt import BAD, Dbt
from luigi_tasks.steps.model import selection
from tests.conftest import Warehouse
from tests.integration.model_fixtures import EPOCH, Page, attempt, item, load
from tests.prove.depth import DEEP

# A build's own row of a picture is wrong.
SPOIL = """
create function draenei_intermediate.spoil() returns trigger language plpgsql
as $$begin new.sha256 = null; return new; end$$;
create trigger spoiled before insert on draenei_intermediate.int_picture_hashes
for each row execute function draenei_intermediate.spoil()
"""
MEASURE = """
insert into ops.image_metadata (sha256, status, reason, attempts, measured_with, bytes)
values (repeat('ab', 32), 'unreadable', 'no bytes', 1, %s, 1000)
on conflict (sha256) do update set measured_with = excluded.measured_with
"""


def page(number: int, wallhaven_id: str, **changes: Any) -> Page:
    """A listing of one wallpaper, an hour after the one before."""
    record = item(wallhaven_id, **changes)
    return Page(f"wallhaven/draenei/run-{number}", "search", "page-00001", EPOCH + timedelta(hours=number), (record,))


@DEEP
def test_a_failure_is_found_again_until_it_is_mended_and_old_rows_are_read_on_demand(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    dbt_profile.write_profile(tmp_path / "dbt", None)
    dbt = Dbt(postgres.address(warehouse.settings()), tmp_path / "dbt")

    def failures(dbt: Dbt = dbt) -> set[str]:
        return {
            node.name.split("_wallpapers_")[0]
            for node in dbt.build(Silent(), selection("wallhaven")).nodes
            if node.status in BAD
        }

    def loaded(page: Page) -> None:
        with closing(warehouse.connect()) as connection:
            load(connection, [page])

    untested = "select count(*) from ops.batches where tested_in is null"
    loaded(page(0, "aaaaaa"))
    assert failures() == set()
    assert warehouse.rows(untested) == [(0,)]

    loaded(page(1, "bbbbbb", category="landscape"))
    assert failures() == {"accepted_values"}
    loaded(page(2, "cccccc"))
    assert failures() == {"accepted_values"}, "of a batch that an earlier build took in"
    assert warehouse.rows(untested) == [(2,)]

    loaded(page(3, "bbbbbb", category="general"))
    assert failures() == set()
    assert warehouse.rows(untested) == [(0,)]

    warehouse.rows("update draenei_content.wallpapers set category = 'landscape' where wallhaven_id = 'aaaaaa'")
    assert failures() == set(), "what was tested and is not touched is not read again"
    assert failures(replace(dbt, variables={**dbt.variables, "DRAENEI_TEST_WHOLE_TABLES": "1"})) == {"accepted_values"}


@pytest.mark.prove
def test_a_wrong_row_of_a_picture_is_found_until_it_is_mended(warehouse: Warehouse, tmp_path: Path) -> None:
    dbt_profile.write_profile(tmp_path / "dbt", None)
    dbt = Dbt(postgres.address(warehouse.settings()), tmp_path / "dbt")

    def failures() -> set[str]:
        return {node.name for node in dbt.build(Silent(), selection("wallhaven")).nodes if node.status in BAD}

    with closing(warehouse.connect()) as connection:
        load(connection, [page(0, "aaaaaa")])
        attempt(connection, "aaaaaa", 1, "stored", EPOCH)
        connection.commit()
    assert failures() == set()

    warehouse.rows(SPOIL)
    warehouse.rows(MEASURE, "one")
    assert failures() == {"no_nulls_int_picture_hashes"}, "it was measured anew, and no upload is untested"
    assert failures() == {"no_nulls_int_picture_hashes"}, "it is not forgotten"
    warehouse.rows("drop trigger spoiled on draenei_intermediate.int_picture_hashes")
    warehouse.rows(MEASURE, "another")
    assert failures() == set()
    assert warehouse.rows("select count(*) from ops.picture_changes") == [(0,)]
