"""The twin's bodies satisfy the schemas that every recorded body of the real API satisfies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import requests

from twin import Catalogue, Twin

RECORDED = Path(__file__).parents[3] / "shared" / "wallhaven"
KEY = {"X-API-Key": "twin-key"}

SEARCHES = (
    "",
    "q=draenei",
    "q=draenei&page=2",
    "q=draenei&page=3",
    "q=draenei&page=9",
    "q=&purity=110",
    "q=type:png",
    "q=type:jpg&sorting=views",
    "q=@velen",
    "q=id:{tag}",
    "q=id:987654321",
    "q=zzzzqqqxxxyz123",
    "page=1&q=like:{id}",
    "purity=001",
    "purity=111",
    "categories=abc",
    "sorting=random",
    "sorting=random&seed=abc123",
    "sorting=toplist&topRange=1y",
    "sorting=favorites&order=asc",
    "sorting=views&order=asc",
    "sorting=hot",
    "atleast=1000x700&ratios=16x9,21x9",
    "colors=660000&ai_art_filter=1",
    "page=abc",
)


@pytest.fixture(scope="module")
def twin() -> Iterator[Twin]:
    catalogue = Catalogue.generate(60, small=True, others=16)
    with Twin(catalogue, rate_per_minute=10_000, public_urls=True) as running:
        yield running


def schema(name: str, part: str = "") -> dict[str, Any]:
    """A recorded schema, or one of its definitions."""
    path = RECORDED / f"{name}.schema.json"
    if not path.exists():
        pytest.skip(f"no recorded schemas at {RECORDED}")
    whole: dict[str, Any] = json.loads(path.read_text())
    if not part:
        return whole
    return {"$schema": whole["$schema"], "$defs": whole["$defs"], "$ref": f"#/$defs/{part}"}


def body(twin: Twin, path: str, headers: dict[str, str] | None = None) -> Any:
    """The parsed body of one call."""
    return requests.get(f"{twin.api_url}/{path}", headers=headers, timeout=10).json()


def check(rules: dict[str, Any], value: object) -> None:
    """Fail with every violation and where it stands."""
    errors = jsonschema_rs.validator_for(rules).iter_errors(value)
    assert [f"{'/'.join(map(str, error.instance_path))}: {error.message}" for error in errors] == []


@pytest.mark.parametrize("headers", [None, KEY], ids=["anonymous", "keyed"])
@pytest.mark.parametrize("query", SEARCHES)
def test_listings(twin: Twin, query: str, headers: dict[str, str] | None) -> None:
    listing = body(twin, "search?" + query.format(tag=twin.catalogue.query_tag.id, id=twin.catalogue.ids[0]), headers)
    check(schema("search"), listing)
    for item in listing["data"]:
        assert len(item) == 18
        assert item["path"].endswith(".png") == (item["file_type"] == "image/png")
        assert item["resolution"] == f"{item['dimension_x']}x{item['dimension_y']}"


def test_details_and_tags(twin: Twin) -> None:
    rules, tag_rules = schema("detail"), schema("misc", "tag")
    for wallpaper_id in twin.catalogue.ids:
        detail = body(twin, f"w/{wallpaper_id}", KEY)
        check(rules, detail)
    for tag in detail["data"]["tags"]:
        check(tag_rules, body(twin, f"tag/{tag['id']}"))


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("settings", "settings"),
        ("collections", "collections"),
        ("collections/twin", "collections"),
        ("collections/nobody", "collections"),
        ("w/zzzzzz", "error"),
        ("user", "error"),
        ("search?page=999999", "error"),
    ],
)
def test_the_other_bodies(twin: Twin, path: str, part: str) -> None:
    check(schema("misc", part), body(twin, path, KEY))


def test_a_collection_listing_has_neither_query_nor_seed(twin: Twin) -> None:
    listing = body(twin, "collections/twin/631782")
    check(schema("search"), listing)
    assert listing["meta"].keys().isdisjoint({"query", "seed"})


def test_its_own_addresses_differ_from_the_real_ones_in_the_host_alone() -> None:
    with Twin(Catalogue.generate(5, small=True)) as own:
        text = requests.get(f"{own.api_url}/search", timeout=10).text
        here = f"http://{own.image_host}"
    item = json.loads(text)["data"][0]
    assert item["url"] == f"https://wallhaven.cc/w/{item['id']}"
    assert all(url.startswith(here) for url in (item["path"], *item["thumbs"].values()))
    real = text.replace(f"{here}/full/", "https://w.wallhaven.cc/full/").replace(here, "https://th.wallhaven.cc")
    check(schema("search"), json.loads(real))


@pytest.mark.parametrize("sample", ["search-2023-07-11-anon-latest", "search-2026-09-08-anon-toplist"])
def test_recorded_items_come_back_unchanged(sample: str) -> None:
    path = RECORDED / "samples" / f"{sample}.json"
    if not path.exists():
        pytest.skip(f"no recorded samples at {RECORDED}")
    records = json.loads(path.read_text())["data"]
    with Twin(Catalogue.from_records(records, {}), public_urls=True) as own:
        served = body(own, "search?q=draenei")["data"]
        missing = requests.get(f"http://{own.image_host}/full/{records[0]['id'][:2]}/x.jpg", timeout=10)
    assert sorted(served, key=lambda item: item["id"]) == sorted(records, key=lambda item: item["id"])
    assert missing.status_code == 404
