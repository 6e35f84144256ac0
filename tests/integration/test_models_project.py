"""The dbt project as a whole: an empty warehouse, the recorded responses, its documentation, no deprecation."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration.model_fixtures import EPOCH, REPOSITORY, Dbt, Page, load

# What every version was ever hashed of, in this order: another hash would make a version of every wallpaper there is.
HASHED = """
content_hash = md5(jsonb_build_array(
    url, short_url, image_url, resolution, width, height, ratio, category, purity, file_size, file_type, colors, source,
    uploaded_at at time zone 'UTC'
)::text)
"""
SAMPLES = REPOSITORY.parent / "shared" / "wallhaven" / "samples"


def recorded_pages() -> list[Page]:
    """Every recorded listing and detail as a page of one run."""
    pages = []
    files = [*SAMPLES.glob("search-*.json"), *SAMPLES.glob("collection-*-page*.json"), *SAMPLES.glob("detail-*.json")]
    for number, file in enumerate(sorted(files)):
        document = json.loads(file.read_text())
        data = document.get("data", document)
        entity, records = ("wallpaper", (data,)) if isinstance(data, dict) else ("search", tuple(data))
        fetched_at = EPOCH + timedelta(minutes=number)
        pages.append(Page("wallhaven/recorded/run-0", entity, f"page-{number:05}", fetched_at, records))
    return pages


def test_an_empty_warehouse_builds_and_is_documented_without_a_warning(warehouse: Any, tmp_path: Path) -> None:
    dbt = Dbt(tmp_path / "dbt", warehouse.environ)
    built = dbt.run("--warn-error", "build")
    assert "ERROR=0" in built.stdout
    assert "WARN=0" in built.stdout
    assert warehouse.rows("select count(*) from draenei_content.pending_uploads") == [(0,)]

    dbt.run("docs", "generate", "--static")
    assert "Draenei collector" in (tmp_path / "dbt" / "target" / "static_index.html").read_text()
    catalog = json.loads((tmp_path / "dbt" / "target" / "catalog.json").read_text())
    manifest = json.loads((tmp_path / "dbt" / "target" / "manifest.json").read_text())
    assert catalog["errors"] is None
    undescribed = [
        f"{name}.{column}"
        for name, relation in catalog["nodes"].items()
        for column in relation["columns"]
        if not manifest["nodes"][name]["columns"].get(column, {}).get("description")
    ]
    assert undescribed == []


@pytest.mark.skipif(not SAMPLES.exists(), reason=f"recorded responses are not at {SAMPLES}")
def test_the_recorded_responses_pass_every_test_of_the_project(warehouse: Any, tmp_path: Path) -> None:
    pages = recorded_pages()
    with closing(warehouse.connect()) as connection:
        for page in pages:
            load(connection, [page])
    Dbt(tmp_path / "dbt", warehouse.environ).run("--warn-error", "build")

    ids = {record["id"] for page in pages for record in page.records}
    detailed = {record["id"] for page in pages if page.entity == "wallpaper" for record in page.records}
    assert len(ids) > 600
    nulls = " + ".join(
        f"count(*) filter (where {column} is null)"
        for column in ("url", "image_url", "ratio", "width", "file_size", "uploaded_at", "colors", "views", "category")
    )
    assert warehouse.rows(f"select count(*), {nulls} from draenei_content.wallpapers") == [(len(ids), 0)]
    assert warehouse.rows("select count(*) from draenei_content.wallpapers where uploader is not null") == [
        (len(detailed),)
    ]
    # Between repeated captures of one wallpaper nothing but views and favorites ever differed.
    assert warehouse.rows("select count(*) from draenei_content.wallpaper_versions") == [(len(ids),)]
    assert warehouse.rows(f"select count(*) from draenei_content.wallpaper_versions where {HASHED}") == [(len(ids),)]
    assert warehouse.rows(
        "select aliases from draenei_content.wallpaper_tags where wallhaven_id = 'zyxvqy' and name = 'lantern'"
    ) == [(["lanterns"],)]
