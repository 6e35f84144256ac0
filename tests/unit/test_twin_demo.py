"""The demo's constants are true of its catalogue and its faults."""

from __future__ import annotations

import io

import pytest
import requests
from PIL import Image

from twin import Twin, demo


def whole(twin: Twin, path: str) -> bool:
    """Whether a picture arrives complete and decodes."""
    try:
        answer = requests.get(f"http://{twin.image_host}{path}", timeout=10)
    except requests.exceptions.ChunkedEncodingError:
        return False
    if answer.status_code != 200:
        return False
    try:
        with Image.open(io.BytesIO(answer.content)) as image:
            image.load()
    except (OSError, SyntaxError):
        return False
    return answer.content[-2:] in (b"\xff\xd9", b"\x60\x82")


def test_the_query_finds_the_ids_and_nothing_else() -> None:
    with Twin(demo.demo_catalogue(small=True)) as twin:
        url = f"{twin.api_url}/search?purity=100&order=asc&q={demo.QUERY}"
        pages = [requests.get(f"{url}&page={page + 1}", timeout=10).json() for page in range(demo.PAGES)]
    assert tuple(item["id"] for page in pages for item in page["data"]) == demo.IDS
    assert pages[0]["meta"]["total"] == len(demo.IDS) == demo.WALLPAPERS >= 64
    assert pages[0]["meta"]["last_page"] == demo.PAGES


@pytest.mark.parametrize("small", [True, False])
def test_the_same_three_pictures_cannot_be_had(small: bool) -> None:
    catalogue = demo.demo_catalogue(small=small)
    with Twin(catalogue, faults=demo.demo_faults()) as twin:
        for _ in range(2):
            lost = {w.id for w in catalogue.snapshot()[1] if w.id in demo.IDS and not whole(twin, w.path)}
            assert lost == {demo.TRUNCATED_ID, demo.CORRUPT_ID, demo.GONE_ID}
        assert len(demo.IDS) - len(lost) == demo.STORABLE
        gone = requests.get(f"{twin.api_url}/w/{demo.GONE_ID}", timeout=10)
        assert (gone.status_code, gone.json()) == (404, {"error": "Nothing here"})


def test_only_the_second_search_is_throttled() -> None:
    with Twin(demo.demo_catalogue(small=True), faults=demo.demo_faults()) as twin:
        answers = [requests.get(f"{twin.api_url}/search", timeout=10) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 429, 200, 200]
    assert answers[1].headers["retry-after"] == "1"
