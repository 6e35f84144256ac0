"""docs/adding-a-source.md, built and run: its files as they stand there, from the twin to the mart."""

from __future__ import annotations

import re
import shutil
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field
from pydantic_settings import BaseSettings

from luigi_tasks.domain.progress import Silent
from luigi_tasks.domain.run import Run
from luigi_tasks.gateways import dbt_profile, parquet, postgres, run_ledger, warehouse_roles
from luigi_tasks.gateways.dbt import PROJECT, Dbt
from luigi_tasks.gateways.objects import open_store
from luigi_tasks.settings import Settings
from luigi_tasks.source_settings import ApiUrl
from luigi_tasks.sources import CATALOGUE, contract
from luigi_tasks.steps import access, clean, fetch, load, model
from tests.conftest import REPOSITORY, Warehouse
from tests.integration.core_fixtures import MADE_WITH, MINUTE
from twin import Catalogue, Twin

PAGE = (REPOSITORY / "docs" / "adding-a-source.md").read_text()
FILES = dict(re.findall(r"`([\w/.]+)`:\n\n```\w+\n(.*?)```", PAGE, re.DOTALL))
VERSIONS = "'int_jsonplaceholder__versions': 'record_key'"


def module(name: str, path: str, **names: object) -> types.ModuleType:
    """A file of the page, as the module that it would be."""
    made = types.ModuleType(name)
    made.__dict__.update(names)
    sys.modules[name] = made
    exec(compile(FILES[path], path, "exec", dont_inherit=True), made.__dict__)
    return made


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The dbt project with the page's folders and its line in the audit."""
    copy = tmp_path / "dbt_project"
    shutil.copytree(PROJECT, copy, ignore=shutil.ignore_patterns("target", "logs", "jsonplaceholder"))
    for path, text in FILES.items():
        if path.startswith("dbt_project/"):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
    audit = copy / "models" / "marts" / "run_audit.sql"
    assert VERSIONS in audit.read_text()
    audit.write_text(audit.read_text().replace(VERSIONS, "'int_almanac__versions': 'record_key'"))
    return copy


@pytest.fixture
def settings(warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type[Settings]:
    """The catalogue, the schemas, the settings and the warehouse with the source in them."""
    monkeypatch.setitem(sys.modules, "luigi_tasks.sources.almanac", types.ModuleType("almanac"))
    source: Any = module("luigi_tasks.sources.almanac", "luigi_tasks/sources/almanac.py")
    monkeypatch.setitem(CATALOGUE, "almanac", source)
    monkeypatch.setattr(contract, "SCHEMAS", tmp_path)
    (tmp_path / "almanac_holidays.json").write_text(FILES["luigi_tasks/sources/schemas/almanac_holidays.json"])
    monkeypatch.setitem(sys.modules, "almanac_settings", types.ModuleType("almanac_settings"))
    given = {"BaseSettings": BaseSettings, "Field": Field, "ApiUrl": ApiUrl}
    own = module("almanac_settings", "luigi_tasks/source_settings.py", **given)
    warehouse.rows(FILES["luigi_tasks/warehouse/migrations/00NN_almanac.sql"])
    return type("WithAlmanac", (own.AlmanacSettings, Settings), {})


def test_the_page_s_source_goes_from_its_twin_to_its_mart(
    warehouse: Warehouse, settings: type[Settings], project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "twin.almanac", types.ModuleType("almanac"))
    site = module("twin.almanac", "twin/almanac.py").Almanac()
    site.holidays.append({"holidayDate": "2026-05-01", "name": "Labour Day", "daysOff": -1})
    with Twin(Catalogue.generate(1, small=True), sites=[site]) as twin:
        given = {name.lower(): value for name, value in warehouse.environ.items()}
        own = settings(**given, draenei_home=warehouse.home, almanac_api_url=twin.site_url("almanac"))
        run = Run.at(access.query(own, "almanac"), MINUTE)
        assert run.key.startswith("almanac/2026-")
        with postgres.transaction(own) as cursor:
            run_ledger.open_run(cursor, run, MADE_WITH)
        store = open_store(own)
        assert fetch.fetch_requests(own, run, store, Silent())["records"] == 3
    sums = load.load_entities(
        own.model_copy(update={"quarantine_max_share": 1}), run.key, "almanac", ("holidays",), store, Silent()
    )
    assert (sums["loaded"], sums["quarantined"]) == (2, 1)
    clean.clean(own, run.key, "almanac", store, Silent())
    (file,) = store.list("clean/almanac/holidays/")
    assert [str(row["holiday_date"]) for row in parquet.read(store.get(file.key))] == ["2026-01-01", "2026-12-25"]
    assert_modelled(own, warehouse, project, tmp_path / "dbt")


def assert_modelled(own: Settings, warehouse: Warehouse, project: Path, folder: Path) -> None:
    dbt_profile.write_profile(folder, None)
    with postgres.transaction(own) as cursor:
        role = warehouse_roles.hand_over(cursor)
        cursor.execute("grant select on all tables in schema raw to draenei_transformer")
    built = Dbt({**postgres.address(own), "DRAENEI_DBT_ROLE": role or ""}, folder, project).build(
        Silent(), model.selection("almanac")
    )
    built.raise_when_failed()
    names = {node.name for node in built.nodes}
    assert {"almanac_holidays", "run_audit", "assert_almanac_loads_add_up"} <= names
    assert "wallpapers" not in names
    holidays = (
        "select holiday_date::text, name, days_off, version_number from draenei_content.almanac_holidays order by 1"
    )
    assert warehouse.rows(holidays) == [("2026-01-01", "New Year's Day", 1, 1), ("2026-12-25", "Christmas", 2, 1)]
    audit = "select source, seen, inserted, updated, quarantined from draenei_content.run_audit"
    assert warehouse.rows(audit) == [("almanac", 2, 2, 0, 1)]
