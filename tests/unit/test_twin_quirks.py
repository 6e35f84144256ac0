"""The twin over HTTP: routes, headers, errors and the oddities of the real site."""

from __future__ import annotations

import concurrent.futures
import http.client
import io
from collections.abc import Iterator

import pytest
import requests
from PIL import Image

from twin import Account, Catalogue, Twin

KEY = {"X-API-Key": "twin-key"}


@pytest.fixture(scope="module")
def twin() -> Iterator[Twin]:
    with Twin(Catalogue.generate(60, small=True, others=12), rate_per_minute=10_000) as running:
        yield running


def get(twin: Twin, path: str, headers: dict[str, str] | None = None) -> requests.Response:
    """One API call."""
    return requests.get(f"{twin.api_url}/{path}", headers=headers, timeout=10)


def of_purity(twin: Twin, purity: str) -> str:
    """An id of that purity."""
    return next(wallpaper.id for wallpaper in twin.catalogue.snapshot()[1] if wallpaper.purity == purity)


def test_pages_tile_the_result(twin: Twin) -> None:
    pages = [get(twin, f"search?q=draenei&page={page}").json() for page in (1, 2, 3)]
    found = [item["id"] for page in pages for item in page["data"]]
    assert len(found) == len(set(found)) == 60
    assert [len(page["data"]) for page in pages] == [24, 24, 12]
    assert pages[2]["meta"] == {
        "current_page": 3, "last_page": 3, "per_page": 24, "total": 60, "query": "draenei", "seed": None,
    }  # fmt: skip


def test_a_key_changes_the_page_size_and_its_type(twin: Twin) -> None:
    for answer in (get(twin, "search", KEY), get(twin, "search?apikey=twin-key")):
        body = answer.json()
        assert body["meta"]["per_page"] == "64"
        assert len(body["data"]) == 64


def test_an_invalid_key_is_refused_on_search_and_not_found_on_settings(twin: Twin) -> None:
    wrong = {"X-API-Key": "nonsense"}
    refused = get(twin, "search", wrong)
    assert (refused.status_code, refused.json()) == (401, {"error": "Unauthorized"})
    assert get(twin, "settings", wrong).json() == {"error": "Nothing here"}
    assert get(twin, "settings").status_code == 401
    assert get(twin, "settings", KEY).json()["data"]["resolutions"] == [""]


def test_page_zero_breaks_in_html(twin: Twin) -> None:
    answer = get(twin, "search?page=0")
    assert answer.status_code == 500
    assert answer.headers["content-type"].startswith("text/html")
    assert "It broke" in answer.text


def test_pages_past_the_end(twin: Twin) -> None:
    near, far = get(twin, "search?page=5"), get(twin, "search?page=999999")
    assert near.json()["data"] == []
    assert (far.status_code, far.json()) == (400, {"error": "Bad Request"})
    assert get(twin, "search?page=abc").json()["meta"]["current_page"] == 1


def test_no_result_has_one_page(twin: Twin) -> None:
    body = get(twin, "search?q=zzzzqqqxxxyz123").json()
    assert body["data"] == []
    assert body["meta"]["last_page"] == 1
    assert body["meta"]["total"] == 0


def test_detail_adds_uploader_and_tags(twin: Twin) -> None:
    listed = get(twin, "search").json()["data"][0]
    detail = get(twin, f"w/{listed['id']}").json()["data"]
    assert {name: detail[name] for name in listed} == listed
    assert set(detail) - set(listed) == {"uploader", "tags"}
    tag = detail["tags"][0]
    assert get(twin, f"tag/{tag['id']}").json() == {"data": tag}


def test_details_vary_as_real_ones_do(twin: Twin) -> None:
    sfw = [wallpaper.id for wallpaper in twin.catalogue.snapshot()[1] if wallpaper.purity == "sfw"]
    details = [get(twin, f"w/{wallpaper_id}").json()["data"] for wallpaper_id in sfw]
    lengths = {len(detail["tags"]) for detail in details}
    assert any(not detail["uploader"]["username"].isascii() for detail in details)
    assert (min(lengths), max(lengths)) == (3, 30)
    assert {tag["alias"] == "" for detail in details for tag in detail["tags"]} == {True, False}


def test_what_is_not_there(twin: Twin) -> None:
    for path, text in (
        ("w/zzzzzz", "Nothing here"),
        ("tag/1234567", "Nothing here"),
        ("w/zzzzzz/similar", "Not Found"),
        ("user", "Not Found"),
    ):
        answer = get(twin, path)
        assert (answer.status_code, answer.json()) == (404, {"error": text})
    site = requests.get(f"http://{twin.image_host}/latest", timeout=10)
    assert (site.status_code, site.headers["content-type"]) == (404, "text/html; charset=UTF-8")


def test_nsfw_detail_needs_a_key(twin: Twin) -> None:
    hidden = of_purity(twin, "nsfw")
    assert get(twin, f"w/{hidden}").status_code == 401
    assert get(twin, f"w/{hidden}", KEY).json()["data"]["purity"] == "nsfw"
    assert get(twin, f"w/{of_purity(twin, 'sketchy')}").status_code == 200


def test_like_is_challenged_only_at_the_start_of_the_query(twin: Twin) -> None:
    like = twin.catalogue.ids[0]
    first, later = get(twin, f"search?q=like:{like}"), get(twin, f"search?page=1&q=like:{like}")
    assert (first.status_code, first.headers["cf-mitigated"]) == (403, "challenge")
    assert first.headers["content-type"].startswith("text/html")
    assert "x-ratelimit-limit" not in first.headers
    assert later.json()["meta"]["query"] == ""


@pytest.mark.parametrize("agent", [None, ""])
def test_no_user_agent_is_forbidden(twin: Twin, agent: str | None) -> None:
    connection = http.client.HTTPConnection(twin.image_host, timeout=10)
    connection.request("GET", "/api/v1/search", headers={} if agent is None else {"User-Agent": agent})
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("content-type")) == (403, "text/html; charset=UTF-8")
    answer.read()
    connection.close()


def test_every_api_answer_tells_the_rate(twin: Twin) -> None:
    for path in ("search", "w/zzzzzz", "nowhere", "search?page=0"):
        answer = get(twin, path)
        assert answer.headers["x-ratelimit-limit"] == "10000"
        assert answer.headers["x-ratelimit-remaining"].isdigit()


def test_collections(twin: Twin) -> None:
    shelf = get(twin, "collections", KEY).json()["data"]
    assert shelf == get(twin, "collections/twin").json()["data"]
    assert get(twin, "collections/nobody").json() == {"data": []}
    assert get(twin, "collections").status_code == 404
    listing = get(twin, f"collections/twin/{shelf[0]['id']}?purity=110").json()
    assert set(listing["meta"]) == {"current_page", "last_page", "per_page", "total"}
    assert get(twin, "collections/twin/1").json() == {"error": "Nothing here"}


def test_originals_come_with_the_headers_of_the_image_host(twin: Twin) -> None:
    for item in get(twin, "search").json()["data"]:
        assert item["path"].startswith(f"http://{twin.image_host}/full/{item['id'][:2]}/wallhaven-{item['id']}.")
        answer = requests.get(item["path"], timeout=10)
        assert len(answer.content) == item["file_size"] == int(answer.headers["content-length"])
        assert answer.headers["content-type"] == item["file_type"]
        assert answer.headers["cache-control"] == "public, max-age=2592000"
        assert answer.headers["etag"].startswith('"')
        assert "x-ratelimit-limit" not in answer.headers
        with Image.open(io.BytesIO(answer.content)) as image:
            assert image.size == (item["dimension_x"], item["dimension_y"])


def test_a_guessed_extension_is_not_found(twin: Twin) -> None:
    path = get(twin, "search").json()["data"][0]["path"]
    wrong = path[:-3] + ("png" if path.endswith("jpg") else "jpg")
    answer = requests.get(wrong, timeout=10)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=UTF-8")


@pytest.mark.parametrize(("shape", "size"), [("small", (300, 200)), ("large", (432, 243))])
def test_thumbs_are_cropped_jpegs(twin: Twin, shape: str, size: tuple[int, int]) -> None:
    item = get(twin, "search").json()["data"][0]
    with Image.open(io.BytesIO(requests.get(item["thumbs"][shape], timeout=10).content)) as image:
        assert (image.format, image.size) == ("JPEG", size)


def test_the_original_thumb_keeps_the_ratio(twin: Twin) -> None:
    item = get(twin, "search").json()["data"][0]
    with Image.open(io.BytesIO(requests.get(item["thumbs"]["original"], timeout=10).content)) as image:
        assert max(image.size) == 300
        assert image.width / image.height == pytest.approx(item["dimension_x"] / item["dimension_y"], rel=0.02)


def test_head_tells_the_length_and_sends_nothing(twin: Twin) -> None:
    item = get(twin, "search").json()["data"][0]
    answer = requests.head(item["path"], timeout=10)
    assert (int(answer.headers["content-length"]), answer.content) == (item["file_size"], b"")


def test_requests_are_recorded_in_order_with_their_status() -> None:
    with Twin(Catalogue.generate(3, small=True)) as own:
        item = get(own, "search?q=draenei&page=1", {"X-Thing": "yes"}).json()["data"][0]
        requests.get(item["path"], timeout=10)
        get(own, "w/zzzzzz")
        assert [(r.route.kind, r.status) for r in own.requests] == [("search", 200), ("image", 200), ("detail", 404)]
        search = own.api_calls()[0]
        assert (search.params, search.headers["x-thing"]) == ({"q": "draenei", "page": "1"}, "yes")
        assert search.at <= own.image_requests()[0].at
        own.clear_requests()
        assert own.requests == []


def test_a_change_shows_in_the_next_listing() -> None:
    with Twin(Catalogue.generate(30, small=True)) as own:
        before = get(own, "search?q=draenei").json()
        fresh = [wallpaper.id for wallpaper in own.catalogue.upload(3)]
        own.catalogue.delete(before["data"][0]["id"])
        own.catalogue.bump_views(before["data"][1]["id"], 11)
        after = get(own, "search?q=draenei").json()
        assert [item["id"] for item in after["data"][:4]] == [*reversed(fresh), before["data"][1]["id"]]
        assert after["data"][3]["views"] == before["data"][1]["views"] + 11
        assert after["meta"]["total"] == 32
        assert requests.get(before["data"][0]["path"], timeout=10).status_code == 404
        assert get(own, f"w/{before['data'][0]['id']}").json() == {"error": "Nothing here"}


def test_an_account_filters_by_its_settings() -> None:
    catalogue = Catalogue.generate(20, small=True, others=8)
    account = Account(key="k", per_page=24, purity="111", tag_blacklist=("draenei (character)",))
    with Twin(catalogue, account=account) as own:
        body = get(own, "search", {"X-API-Key": "k"}).json()
        shown = {item["purity"] for item in body["data"]}
        assert (shown, body["meta"]["per_page"]) == ({"sfw", "sketchy", "nsfw"}, "24")
        assert body["meta"]["total"] == sum(
            "draenei (character)" not in {tag.name for tag in wallpaper.tags} for wallpaper in catalogue.snapshot()[1]
        )


def test_a_stopped_twin_refuses_and_comes_back_at_the_same_address() -> None:
    own = Twin(Catalogue.generate(1, small=True))
    with pytest.raises(RuntimeError, match="no address yet"):
        own.api_url  # noqa: B018
    with own:
        url = own.api_url
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/search", timeout=10)
    with own:
        assert own.api_url == url
        assert get(own, "search").status_code == 200


def test_sixty_four_downloads_at_once(twin: Twin) -> None:
    paths = [f"http://{twin.image_host}{wallpaper.path}" for wallpaper in twin.catalogue.snapshot()[1]][:64]
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda path: requests.get(path, timeout=30), paths))
    assert [answer.status_code for answer in answers] == [200] * 64
