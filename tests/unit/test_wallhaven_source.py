"""Wallhaven's module: filters are checked before they are sent, bodies are read as they really are."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from luigi_tasks.domain.errors import SettingsError, SourceError
from luigi_tasks.settings import Settings
from luigi_tasks.sources import contract, wallhaven
from luigi_tasks.sources.contract import Page

META = {"current_page": 1, "last_page": 1, "per_page": 24, "total": 1, "query": None, "seed": None}
FAR_TOO_LARGE = "9" * 5000

GOOD = {
    "categories": ["111", "100", "001"],
    "purity": ["100", "110"],
    "sorting": ["date_added", "relevance", "random", "views", "favorites", "toplist"],
    "order": ["desc", "asc"],
    "atleast": ["1920x1080", "1x1", "999999x999999"],
    "resolutions": ["1920x1080", "1920x1080,2560x1440"],
    "ratios": ["16x9", "16x9,21x9", "landscape", "portrait,16x10"],
    "colors": ["660000", "424153"],
    "ai_art_filter": ["0", "1"],
}
BAD = {
    "categories": ["11", "1111", "abc", "112", "111\n"],
    "purity": ["sfw", "1", "100 "],
    "sorting": ["hot", "date", "Views"],
    "order": ["descending", "DESC"],
    "topRange": ["1W", "2d", "1m"],
    "atleast": ["1920", "1920X1080", "0x0", "1920x1080,2560x1440", "x", "\uff11920x1080", "1920x-1"],
    "resolutions": ["1920x1080,", ",1920x1080", "1920x1080;1x1", "1920 x 1080"],
    "ratios": ["16:9", "wide", "16x9 21x9", "1.78"],
    "colors": ["#660000", "123456", "660000,990000", "red"],
    "ai_art_filter": ["2", "true"],
    "per_page": ["64"],
}


def body(data: Any, **meta: Any) -> bytes:
    """A listing."""
    return json.dumps({"data": data, "meta": {**META, **meta}}).encode()


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in GOOD.items() for value in values])
def test_a_value_of_the_api_is_sent_as_it_is(name: str, value: str) -> None:
    query = wallhaven.query("draenei", {name: value})
    assert dict(wallhaven.first_request(query).params) == {"page": "1", name: value, "q": "draenei"}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_what_the_api_would_ignore_is_refused_by_the_settings_name(name: str, value: str) -> None:
    setting = {"topRange": "WALLHAVEN_TOP_RANGE"}.get(name, f"WALLHAVEN_{name.upper()}")
    with pytest.raises(SettingsError, match=setting):
        wallhaven.query("draenei", {"sorting": "toplist", name: value})


@pytest.mark.parametrize("name", ["categories", "purity"])
def test_no_bit_selects_nothing(name: str) -> None:
    with pytest.raises(SettingsError, match=f"WALLHAVEN_{name.upper()}=000 selects nothing"):
        wallhaven.query("draenei", {name: "000"})


@pytest.mark.parametrize("sorting", [None, "date_added"])
def test_top_range_without_toplist_would_be_ignored(sorting: str | None) -> None:
    with pytest.raises(SettingsError, match="WALLHAVEN_SORTING=toplist"):
        wallhaven.query("draenei", {"topRange": "1M", "sorting": sorting})
    parameters = dict(wallhaven.query("draenei", {"topRange": "1M", "sorting": "toplist"}).parameters)
    assert parameters["topRange"] == "1M"


@pytest.mark.parametrize("text", ["one\0two", "line\nbreak", "\ud83d"])
def test_a_text_that_no_url_can_hold_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="search text"):
        wallhaven.query(text, {})


def test_the_default_settings_are_a_query() -> None:
    query = wallhaven.query("draenei", Settings().filters())
    assert dict(query.parameters) == {
        "categories": "111",
        "purity": "100",
        "sorting": "date_added",
        "order": "desc",
        "q": "draenei",
    }
    assert wallhaven.newest_first(query)


@pytest.mark.parametrize(
    ("filters", "known"),
    [
        ({"sorting": "date_added", "order": "desc"}, True),
        ({"sorting": "date_added", "order": "asc"}, False),
        ({"sorting": "toplist", "order": "desc"}, False),
        ({"sorting": "random", "order": "desc"}, False),
    ],
)
def test_only_newest_first_may_stop_early(filters: dict[str, str], known: bool) -> None:
    assert wallhaven.newest_first(wallhaven.query("draenei", filters)) is known


@pytest.mark.parametrize("text", ["like:abc123", "+draenei -human", "id:123", "a&page=9", "龍"])
def test_q_stands_last_in_the_url_and_nothing_leaks_out_of_it(text: str) -> None:
    url = urlencode(wallhaven.first_request(wallhaven.query(text, GOOD_DEFAULTS)).params)
    assert url.startswith("page=1&")
    assert url.count("page=") == 1
    assert url.rpartition("&")[2].startswith("q=")


GOOD_DEFAULTS = {"sorting": "date_added", "order": "desc"}


def test_a_plus_is_sent_as_the_api_needs_it() -> None:
    params = wallhaven.first_request(wallhaven.query("+draenei", {})).params
    assert urlencode(params).endswith("q=%2Bdraenei")


def test_without_a_text_there_is_no_q() -> None:
    assert wallhaven.first_request(wallhaven.query("", {})).params == (("page", "1"),)


def test_the_following_request_is_the_next_page_until_the_last() -> None:
    query = wallhaven.query("draenei", GOOD_DEFAULTS)
    following = wallhaven.following_request(query, Page(({},), number=9, last_number=11))
    assert following is not None
    assert (following.page_name, dict(following.params)["page"]) == ("page-00010", "10")
    assert wallhaven.following_request(query, Page(({},), number=11, last_number=11)) is None
    assert wallhaven.following_request(query, Page((), number=12, last_number=11)) is None


def test_a_short_page_is_not_the_end() -> None:
    page = wallhaven.parse("search", body([{"id": "a"}], current_page=1, last_page=3, total=70))
    assert not page.is_last


@pytest.mark.parametrize(
    "quirk",
    [
        {"per_page": "24"},
        {"query": "draenei"},
        {"query": ""},
        {"query": {"id": 1, "tag": "anime"}},
        {"seed": "abc123"},
    ],
)
def test_the_quirks_of_meta_are_read(quirk: dict[str, Any]) -> None:
    page = wallhaven.parse("search", body([{"id": "a"}], **quirk))
    assert (page.number, page.last_number, page.total) == (1, 1, 1)


def test_a_collection_has_neither_query_nor_seed() -> None:
    meta = {"current_page": 1, "last_page": 2, "per_page": 24, "total": 30}
    assert wallhaven.parse("search", json.dumps({"data": [1], "meta": meta}).encode()).total == 30


def test_an_empty_page_is_an_answer_at_the_end_only() -> None:
    assert wallhaven.parse("search", body([], total=0)).records == ()
    assert wallhaven.parse("search", body([], current_page=4, last_page=3, total=70)).is_last
    with pytest.raises(SourceError, match="page 2 of 3 is empty though the source claims 70"):
        wallhaven.parse("search", body([], current_page=2, last_page=3, total=70))
    with pytest.raises(SourceError, match="page 1 of 1 is empty though the source claims 12"):
        wallhaven.parse("search", body([], current_page=1, last_page=1, total=12))


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"<!DOCTYPE html><title>maintenance</title>",
        b'{"data": [',
        b'{"data": []}',
        b'{"meta": {}}',
        b"[]",
        b"null",
        b"7",
        b'"text"',
        b"\xff\xfe\x00",
        b"[" * 200_000,
        b'{"data": {}, "meta": {"current_page": 1, "last_page": 1, "total": 0}}',
        b'{"error": "Unauthorized"}',
        body([], total="1"),
        body([], total=None),
        body([], current_page=True),
        body([], last_page=-1),
        body([], last_page=1.5),
        body([], total=float("nan")),
        body([]).replace(b'"total": 1', b'"total": ' + FAR_TOO_LARGE.encode()),
    ],
    ids=lambda value: repr(value[:24]),
)
def test_what_is_no_listing_is_a_source_error(broken: bytes) -> None:
    with pytest.raises(SourceError):
        wallhaven.parse("search", broken)


def test_a_number_that_nobody_can_hold_spoils_its_record_only() -> None:
    text = body([{"id": "a", "views": 1}, {"id": "b"}]).replace(b'"views": 1', b'"views": ' + FAR_TOO_LARGE.encode())
    records = wallhaven.parse("search", text).records
    assert records == ({"id": "a", "views": float("inf")}, {"id": "b"})


def test_a_detail_is_one_record_and_an_error_is_none() -> None:
    assert wallhaven.parse("wallpaper", b'{"data": {"id": "a"}}').records == ({"id": "a"},)
    assert wallhaven.parse("wallpaper", b'{"error": "Nothing here"}').records == ()
    for broken in (b'{"data": []}', b'{"data": null}', b"{}", b"[]"):
        with pytest.raises(SourceError, match="no object `data`"):
            wallhaven.parse("wallpaper", broken)


@pytest.mark.parametrize(
    ("record", "key"),
    [
        ({"id": "94x38z"}, "94x38z"),
        ({"id": "../../etc"}, None),
        ({"id": "a/b"}, None),
        ({"id": ""}, None),
        ({"id": "a\n"}, None),
        ({"id": "a" * 33}, None),
        ({"id": 5}, None),
        ({"id": None}, None),
        ({}, None),
        ([], None),
        ("94x38z", None),
        (None, None),
    ],
)
def test_a_key_is_one_that_may_stand_in_an_object_key(record: object, key: str | None) -> None:
    assert wallhaven.record_id(record) == key


def test_details_have_a_name_of_their_own() -> None:
    request = wallhaven.detail_request("94x38z")
    assert (request.entity, request.page_name, request.path) == ("wallpaper", "w-94x38z", "/w/94x38z")


@pytest.mark.parametrize("before", [0, 1, 19, 20, 21, 500, 979, 980, 981, 999, 1000])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32", "utf-16-le"])
def test_an_integer_too_long_for_the_database_is_noticed_wherever_it_stands(before: int, encoding: str) -> None:
    for digits, held in [(1000, True), (1001, False), (1040, False), (2500, False)]:
        number = contract.parse_json(f'{{"a": "{"x" * before}", "b": {"7" * digits}}}'.encode(encoding))["b"]
        assert (number != float("inf")) is held, digits


@pytest.mark.parametrize(
    "text",
    [
        *("0", "-0", "-0.0", "1.0", "1E5", "1e16", "5e-324", "1e-400", "1e400", "-1e400", "123456789012345678.25"),
        *("9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809"),
        *("18446744073709551615", "18446744073709551616", "1" * 18, "1" * 19, "1" * 40, "-" + "1" * 40),
        *("NaN", "Infinity", '"\\ud800"', '"\\u0000"', '"\\ud83d\\udc10"', '{"a": 1, "a": 2}', "[" * 300 + "]" * 300),
    ],
)
def test_a_body_is_read_as_the_standard_library_reads_it(text: str) -> None:
    for body in (
        text.encode(),
        f'{{"data": [{text}]}}'.encode(),
        text.encode("utf-16"),
        b"\xef\xbb\xbf" + text.encode(),
    ):
        assert repr(contract.parse_json(body)) == repr(json.loads(body)), body
