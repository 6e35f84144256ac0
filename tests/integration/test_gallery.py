"""The gallery of a real warehouse: what it shows is what the tables say, and what changed alone is written anew."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from luigi_tasks import settings as settings_module
from luigi_tasks.domain.errors import SettingsError, StoreError, WarehouseError
from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways import gallery_ledger
from luigi_tasks.gateways.objects import ObjectStore
from luigi_tasks.steps import gallery, gallery_shell, publish, takedown, takedown_pages
from luigi_tasks.steps.derive import derive
from luigi_tasks.verbs.gallery import gallery as verb
from tests.browser.invented import CHROMIUM, browser, look
from tests.conftest import Warehouse
from tests.integration.core_fixtures import Collecting
from tests.integration.gallery_fixtures import bytes_by_name, rows, said
from tests.integration.replay_fixtures import build, site, whole_run
from tests.s3_double import BUCKET, s3_double
from twin import Twin

DUPLICATES = """
drop table draenei_content.duplicate_pairs, draenei_content.duplicate_clusters;
create table draenei_content.duplicate_pairs as
select min(wallhaven_id) as wallhaven_id_a, max(wallhaven_id) as wallhaven_id_b, 2 as distance, 'near' as kind
from draenei_content.wallpapers where upload_status = 'stored';
create table draenei_content.duplicate_clusters as
select wallhaven_id_a as wallhaven_id, 'c1' as cluster_id, true as is_canonical from draenei_content.duplicate_pairs
"""
VERDICT = "insert into draenei_content.duplicate_verdicts values (%s, %s, 'same', '2026-11-21 06:00:00+00')"
MISSED = "insert into ops.tombstones (wallhaven_id, reason) values (%s, 'asked for')"


@pytest.fixture
def twin() -> Iterator[Twin]:
    """A site."""
    with site() as running:
        yield running


@pytest.mark.prove
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
    derive(c.settings, run.key, "wallhaven", c.store, Silent())
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

    newest = warehouse.rows(
        "select wallhaven_id from draenei_content.wallpapers"
        ' order by uploaded_at desc, wallhaven_id collate "C" desc limit 7'
    )
    assert gallery.refresh(c.settings.model_copy(update={"gallery_pictures": 7}), c.store)["gallery_pictures"] == 7
    assert rows(folder).keys() == {picture_id for (picture_id,) in newest}
    assert (about["most"], said(folder, "index")[0]["most"]) == (None, 7)
    _what_people_and_the_site_do_shows(c, monkeypatch)
    _the_bucket_has_it_though_an_upload_failed(c)


BUILT = "insert into ops.builds (selection, asked) values ('[]', '')"


def test_whatever_may_change_it_is_noticed_without_a_look_at_the_pictures(warehouse: Warehouse) -> None:
    page = (
        "insert into ops.pages (run_key, source, entity, page_name, request, status, object_key, body_sha256,"
        " body_bytes, content_type, fetched_at) values ('r', 'wallhaven', 'ENTITY', 'w-a', '{}', STATUS, 'KEY', '', 0,"
        " '', now())"
    )
    happens = [
        BUILT,
        "update ops.builds set invocation_id = 'ended'",
        "insert into ops.dbt_builds (invocation_id, untested_batches) values ('by hand', '{}')",
        "insert into ops.uploads (run_key, wallhaven_id, attempt, outcome, started_at)"
        " values ('r', 'a', 1, 'gone', now())",
        "insert into ops.repairs (damage, object_key, action) values ('missing', 'k', 'marked lost')",
        "insert into ops.tombstones (wallhaven_id, reason) values ('a', 'asked for')",
        "update ops.tombstones set lifted_at = now(), lift_reason = 'a mistake'",
        "insert into ops.listing_changes values ('r', 'q', 'a', now(), false)",
        page.replace("STATUS", "404").replace("ENTITY", "wallpaper").replace("KEY", "one"),
        "insert into ops.derive_passes (source, asked) values ('wallhaven', '')",
        "update ops.derive_passes set passed_at = clock_timestamp()",
    ]
    with warehouse.rolled_back() as cursor:
        cursor.execute(
            "insert into ops.runs (run_key, source, query_key, query, parameters, run_id, state, code_version,"
            " settings_sha256, source_address) values ('r', 'wallhaven', 'q', '', '{}', '', 'running', '', '', '')"
        )
        seen = [gallery_ledger.as_of(cursor)]
        for happened in happens:
            cursor.execute(happened)
            seen.append(gallery_ledger.as_of(cursor))
        assert len(set(seen)) == len(seen)
        cursor.execute(page.replace("STATUS", "200").replace("ENTITY", "search").replace("KEY", "two"))
        cursor.execute("insert into ops.listing_changes values ('r', 'q', 'b', now(), true)")
        cursor.execute("update ops.runs set state = 'succeeded'")
        assert gallery_ledger.as_of(cursor) == seen[-1], "a run that found nothing new"


def _what_people_and_the_site_do_shows(c: Collecting, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, asked = gallery.home(c.settings), c.warehouse.rows
    gone, hostile, lost, *_ = sorted(rows(folder))[3:]
    thumbnail = folder / said(folder, "index")[0]["base"] / rows(folder)[gone]["small"]

    def renewed(*change: str | list[str]) -> dict[str, object]:
        asked(*change)
        asked(BUILT)
        return gallery.refresh(c.settings, c.store)

    assert renewed(DUPLICATES)["gallery_pictures"] == 30, "pairs and clusters"
    assert [pair["distance"] for pair in said(folder, "duplicates")[0]["pairs"]] == [2]
    assert rows(folder)[min(rows(folder))]["cluster"] == "c1"
    assert renewed(VERDICT, "a" * 64, "b" * 64), "a verdict"
    assert said(folder, "duplicates")[0]["verdicts"][0]["decided_at"] == "2026-11-21T06:00:00Z"
    assert renewed("update draenei_content.duplicate_clusters set is_canonical = false"), "the canonical one"
    assert renewed(MISSED, hostile), "a life"
    assert rows(folder)[hostile]["state"] == "taken_down"
    assert renewed("update draenei_content.wallpaper_queries set query = 'other'"), "a query's words"
    assert renewed("update ops.uploads set lost_at = now() where wallhaven_id = %s", lost)["gallery_pictures"] == 29
    with monkeypatch.context() as newer:
        newer.setattr(gallery_shell, "digest", lambda: "another version")
        assert gallery.refresh(c.settings, c.store), "another shell"
        assert gallery.refresh(c.settings, c.store) == {}

    takedown.take_down(c.settings, c.store, takedown.plan(c.settings, c.store, gone), "asked for")
    assert gallery.refresh(c.settings, c.store)["gallery_pictures"] == 28, "before the models say so"
    assert not thumbnail.exists()
    assert gone.encode() not in b"".join(bytes_by_name(folder).values())

    tags = ["</script>", "\u2028"]
    asked("update draenei_content.wallpapers set tags = %s where wallhaven_id = %s", tags, hostile)
    monkeypatch.setattr(settings_module, "load", lambda: c.settings)
    answer = CliRunner().invoke(verb, [], catch_exceptions=False)
    assert answer.output == f"28 pictures: {(folder / 'index.html').as_uri()}\n"
    assert rows(folder)[hostile]["tags"] == tags
    with pytest.raises(SettingsError, match="no bucket"):
        gallery.upload(c.settings, c.store, folder)


def _the_bucket_has_it_though_an_upload_failed(c: Collecting) -> None:
    """The folder's gallery stands there as the state of before: GALLERY becomes bucket, and the bucket says no once."""
    local = gallery.home(c.settings)
    with s3_double() as double:
        settings, store = c.settings.model_copy(update=double.settings() | {"gallery": "bucket"}), double.store()
        for head in c.store.list("derivatives/"):
            _put(store, head.key, c.store.get(head.key))
        _put(store, "gallery/data/list-0.js", b"old")
        double.state.fault("denied", prefix="gallery/duplicates.js")
        with pytest.raises(StoreError):
            gallery.refresh(settings, store)
        assert "gallery/state.txt" not in double.state.versions
        assert gallery.refresh(settings, store)["gallery_in_bucket"] == f"s3://{BUCKET}/gallery/index.html"
        assert gallery.refresh(settings, store) == {}
        assert "gallery/data/list-0.js" not in double.state.versions
        assert all((local / gallery.COPIES / row["small"]).is_file() for row in rows(local).values())

        before = {key for key in double.state.versions if key.startswith("gallery/")}
        double.state.requests.clear()
        taken = min(rows(local))
        c.warehouse.rows("update ops.uploads set lost_at = now() where wallhaven_id = %s", taken)
        c.warehouse.rows(BUILT)
        assert gallery.refresh(settings, store)["gallery_pictures"] == 27
        kept = before & double.state.versions.keys()
        assert "gallery/data/index.js" in kept
        removed = {key for method, key in double.state.requests if method == "DELETE"}
        assert removed
        assert not removed & kept, "replaced in place: no reader meets a 404"
        assert taken not in _as_a_browser_sees_it(f"{double.endpoint}/{BUCKET}/gallery", len(rows(local)))

        plan = takedown.plan(settings, store, max(rows(local)))
        takedown.take_down(settings, store, plan, "the artist asked")
        takedown_pages.redraw(settings, store, plan.about)
        shown = b"".join(kept[-1].body for key, kept in double.state.versions.items() if key.startswith("gallery/"))
        assert (len(rows(local)), plan.about.ids[0].encode() in shown) == (26, False), "no dbt build is needed for it"


def _put(store: ObjectStore, key: str, body: bytes) -> None:
    digest = hashlib.sha256(body).hexdigest()
    store.put_if_absent(key, body, content_type="image/webp", sha256=digest, metadata={})


def _as_a_browser_sees_it(address: str, count: int) -> list[str]:
    """The ids of the tiles; every thumbnail is there, the page's policy is kept and nothing complains."""
    if CHROMIUM is None:
        return []
    with browser() as running:
        looking = look(running.new_context(viewport={"width": 1300, "height": 5000}), address)
        looking.go()
        assert looking.count == f"{count} pictures"
        looking.until(f"[...document.images].filter(one => one.complete && one.naturalWidth).length === {count}")
        looking.page.click(".tile >> nth=1")
        looking.page.wait_for_selector(".pswp__details h2")
        looking.page.wait_for_selector(".pswp__item img")
        looking.go("duplicates.html")
        assert looking.complaints == []
        assert {url.split("/")[2] for url in looking.requests if url.startswith("http")} == {address.split("/")[2]}
        looking.go()
        return looking.ids()
