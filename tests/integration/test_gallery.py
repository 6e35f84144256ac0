"""The gallery of a real warehouse: what it shows is what the tables say, and what changed alone is written anew."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from luigi_tasks import settings as settings_module
from luigi_tasks.domain.errors import SettingsError, WarehouseError
from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways.folder_store import FolderStore
from luigi_tasks.steps import gallery, publish, takedown, takedown_pages
from luigi_tasks.steps.derive import derive
from luigi_tasks.verbs.gallery import gallery as verb
from tests.conftest import Warehouse
from tests.integration.core_fixtures import Collecting
from tests.integration.replay_fixtures import build, site, whole_run
from twin import Twin

DUPLICATES = """
drop table draenei_content.duplicate_pairs, draenei_content.duplicate_clusters;
create table draenei_content.duplicate_pairs as
select min(wallhaven_id) as wallhaven_id_a, max(wallhaven_id) as wallhaven_id_b, 2 as distance, 'near' as kind
from draenei_content.wallpapers where upload_status = 'stored';
create table draenei_content.duplicate_clusters as
select wallhaven_id_a as wallhaven_id, 'c1' as cluster_id, true as is_canonical from draenei_content.duplicate_pairs
"""


@pytest.fixture
def twin() -> Iterator[Twin]:
    """A site."""
    with site() as running:
        yield running


def said(folder: Path, kind: str) -> list[Any]:
    """The last argument of every call of that kind in the data."""
    texts = [path.read_text() for path in sorted((folder / "data").glob(f"{kind}*.js"))]
    calls = [text.removeprefix(f"collection.{kind}(").removesuffix(");\n") for text in texts]
    return [json.loads(f"[{call}]")[-1] for call in calls]


def rows(folder: Path) -> dict[str, dict[str, Any]]:
    """The list by id."""
    columns = said(folder, "index")[0]["columns"]
    named = [dict(zip(columns, row, strict=True)) for part in said(folder, "list") for row in part]
    return {row["id"]: row for row in named}


def bytes_by_name(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_it_shows_what_the_tables_say_and_changes_with_them(
    warehouse: Warehouse, twin: Twin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    c = Collecting(warehouse, twin.api_url, details_per_run=3, wallhaven_image_hosts=(twin.image_host,))
    folder = gallery.home(c.settings)
    with pytest.raises(WarehouseError, match="nothing was collected yet"):
        gallery.write(c.settings, c.store, folder)
    run = whole_run(c)
    publish.freeze_step(c.settings, run.key)
    publish.publish(c.settings, run.key, c.store, Silent())
    derive(c.settings, "wallhaven", c.store, Silent())
    build(c, run)

    assert gallery.refresh(c.settings, c.store)["gallery_pictures"] == 30
    assert gallery.refresh(c.settings, c.store) == {}, "nothing changed"
    about, shown, before = said(folder, "index")[0], rows(folder), bytes_by_name(folder)
    for picture in shown.values():
        thumbnail = folder / about["base"] / picture["small"]
        assert thumbnail.read_bytes()[8:12] == b"WEBP"
    facts = {name: fact for part in said(folder, "detail") for name, fact in part.items()}
    assert facts.keys() == shown.keys()
    wanted = warehouse.rows("select wallhaven_id, purity, width, sha256, uploader from draenei_content.wallpapers")
    found = [(i, shown[i]["purity"], shown[i]["width"], facts[i]["sha256"], shown[i]["uploader"]) for i in shown]
    assert sorted(map(str, found)) == sorted(map(str, wanted))
    one = facts[min(facts)]
    assert one["origin"]["run"] == run.key
    assert (one["attempts"][0]["outcome"], one["versions"][0]["number"], one["near"]) == ("stored", 1, None)

    gallery.write(c.settings, c.store, tmp_path / "home" / "again")
    assert bytes_by_name(tmp_path / "home" / "again") == before, "the same tables, the same bytes"

    gone, hostile = sorted(shown)[3:5]
    warehouse.rows("update draenei_content.wallpapers set upload_status = 'taken_down' where wallhaven_id = %s", gone)
    tags = ["</script>", "\u2028"]
    warehouse.rows("update draenei_content.wallpapers set tags = %s where wallhaven_id = %s", tags, hostile)
    warehouse.rows(DUPLICATES)
    monkeypatch.setattr(settings_module, "load", lambda: c.settings)
    answer = CliRunner().invoke(verb, [], catch_exceptions=False)
    assert answer.output == f"29 pictures: {(folder / 'index.html').as_uri()}\n"
    assert gone not in rows(folder)
    assert gone.encode() not in b"".join(b for name, b in bytes_by_name(folder).items() if "list" in name)
    assert rows(folder)[hostile]["tags"] == tags
    assert rows(folder)[min(shown)]["cluster"] == "c1"
    assert [pair["distance"] for pair in said(folder, "duplicates")[0]["pairs"]] == [2]
    with pytest.raises(SettingsError, match="no bucket"):
        gallery.upload(c.settings, c.store, folder)

    in_bucket = c.settings.model_copy(update={"bucket_name": "b"})  # the folder stands in for it: the interface is one
    gallery.write(in_bucket, c.store, tmp_path / "local")
    local = rows(tmp_path / "local")
    assert all((tmp_path / "local" / gallery.COPIES / row["small"]).is_file() for row in local.values())
    c.store.put_if_absent(
        "gallery/data/list-0.js", b"old", content_type="x", sha256=hashlib.sha256(b"old").hexdigest(), metadata={}
    )
    for _ in range(2):
        gallery.upload(in_bucket, c.store, tmp_path / "local")
    assert isinstance(c.store, FolderStore)
    uploaded = c.store.root / "gallery"
    assert rows(uploaded) == local
    assert not (uploaded / "data" / "list-0.js").exists()
    assert all((uploaded / said(uploaded, "index")[0]["base"] / row["small"]).is_file() for row in local.values())

    plan = takedown.plan(c.settings, c.store, hostile)
    takedown.take_down(c.settings, c.store, plan, "the artist asked")
    takedown_pages.redraw(in_bucket, c.store, plan.about)
    assert rows(folder) == rows(uploaded)
    assert rows(folder).keys() == local.keys() - {hostile}, "no dbt build is needed for it"
    assert not [path for path in folder.rglob("*.webp") if plan.about.hashes[0] in str(path)]
    assert f'"{hostile}":' not in "".join(path.read_text() for path in (uploaded / "data").glob("detail-*.js"))
