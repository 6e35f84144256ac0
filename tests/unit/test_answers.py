"""What counts as an answer: status first, then content type, then the body."""

from __future__ import annotations

import json

import pytest

from luigi_tasks.domain.errors import SourceError, SourceRefused, SourceThrottled
from luigi_tasks.sources import wallhaven
from luigi_tasks.sources.answers import DEFAULT_RETRY_AFTER, Retry, judge, number, retry_after, seconds_to_pause

LISTING = json.dumps({"data": [], "meta": {"current_page": 1, "last_page": 1, "total": 0}}).encode()
DETAIL = b'{"data": {"id": "94x38z"}}'
ERROR = b'{"error": "Nothing here"}'
HTML = b"<!DOCTYPE html><title>Just a moment...</title>"
WHERE = "http://127.0.0.1/api/v1/search"


def verdict(entity: str, status: int, content_type: str | None, body: bytes, **headers: str) -> str:
    """'answer', or the error's kind, with 'retry' before what may pass."""
    given = {} if content_type is None else {"content-type": content_type}
    try:
        judge(wallhaven, entity, status, given | headers, body, where=WHERE)
    except Retry as problem:
        return f"retry {type(problem.cause).__name__}"
    except SourceError as problem:
        return type(problem).__name__
    return "answer"


@pytest.mark.parametrize(
    ("entity", "status", "content_type", "body", "expected"),
    [
        ("search", 200, "application/json", LISTING, "answer"),
        ("search", 200, "Application/JSON; charset=UTF-8", LISTING, "answer"),
        ("search", 200, "application/problem+json", LISTING, "answer"),
        ("search", 200, "text/html; charset=UTF-8", HTML, "retry SourceError"),
        ("search", 200, "text/html", LISTING, "retry SourceError"),
        ("search", 200, None, LISTING, "retry SourceError"),
        ("search", 200, "application/json", HTML, "retry SourceError"),
        ("search", 200, "application/json", b"", "retry SourceError"),
        ("search", 200, "application/json", LISTING[:-5], "retry SourceError"),
        ("search", 200, "application/json", ERROR, "retry SourceError"),
        ("search", 200, "application/json", b'{"data": []}', "retry SourceError"),
        ("search", 204, "application/json", b"", "SourceError"),
        ("search", 302, "text/html", b"", "SourceError"),
        ("search", 400, "application/json", b'{"error": "Bad Request"}', "SourceError"),
        ("search", 404, "application/json", ERROR, "SourceError"),
        ("search", 401, "application/json", b'{"error": "Unauthorized"}', "SourceRefused"),
        ("search", 401, "text/html", HTML, "SourceRefused"),
        ("search", 403, "text/html", HTML, "SourceRefused"),
        ("search", 408, "text/html", HTML, "retry SourceFailed"),
        ("search", 429, "text/html", HTML, "retry SourceThrottled"),
        ("search", 429, "application/json", LISTING, "retry SourceThrottled"),
        ("search", 500, "text/html", HTML, "retry SourceFailed"),
        ("search", 503, "application/json", LISTING, "retry SourceFailed"),
        ("search", 521, None, b"", "retry SourceFailed"),
        ("wallpaper", 200, "application/json", DETAIL, "answer"),
        ("wallpaper", 404, "application/json", ERROR, "answer"),
        ("wallpaper", 401, "application/json", b'{"error": "Unauthorized"}', "answer"),
        ("wallpaper", 404, "text/html", HTML, "retry SourceError"),
        ("wallpaper", 401, "text/html", HTML, "retry SourceError"),
        ("wallpaper", 403, "text/html", HTML, "SourceRefused"),
        ("wallpaper", 200, "text/html", HTML, "retry SourceError"),
        ("wallpaper", 404, "application/json", HTML, "retry SourceError"),
    ],
)
def test_the_verdict(entity: str, status: int, content_type: str | None, body: bytes, expected: str) -> None:
    assert verdict(entity, status, content_type, body) == expected


def test_words_name_the_status_and_what_to_do() -> None:
    with pytest.raises(SourceRefused, match=r"403: the source refuses us \(text/html\).*WALLHAVEN_API_KEY"):
        judge(wallhaven, "search", 403, {"content-type": "text/html"}, HTML, where=WHERE)
    with pytest.raises(Retry) as html:
        judge(wallhaven, "search", 200, {"content-type": "text/html"}, HTML, where=WHERE)
    assert str(html.value.cause).startswith("200 with text/html where JSON was due (http://127.0.0.1")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "28"}, 28.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "-5"}, 0.0),
        ({"retry-after": "soon"}, DEFAULT_RETRY_AFTER),
        ({"retry-after": "nan"}, DEFAULT_RETRY_AFTER),
        ({"retry-after": ""}, DEFAULT_RETRY_AFTER),
        ({}, DEFAULT_RETRY_AFTER),
        ({"retry-after": "Sat, 21 Nov 2026 07:01:30 GMT", "date": "Sat, 21 Nov 2026 07:00:00 GMT"}, 90.0),
        ({"retry-after": "Sat, 21 Nov 2026 06:00:00 GMT", "date": "Sat, 21 Nov 2026 07:00:00 GMT"}, 0.0),
        ({"retry-after": "Sat, 21 Nov 2026 07:01:30 GMT"}, DEFAULT_RETRY_AFTER),
    ],
)
def test_retry_after_is_read(headers: dict[str, str], seconds: float) -> None:
    assert retry_after(headers) == seconds
    with pytest.raises(Retry) as throttled:
        judge(wallhaven, "search", 429, headers, HTML, where=WHERE)
    assert throttled.value.seconds == seconds
    assert isinstance(throttled.value.cause, SourceThrottled)


@pytest.mark.parametrize(("headers", "seconds"), [({"retry-after": "28"}, 28.0), ({}, None)])
def test_a_source_that_is_down_may_say_for_how_long(headers: dict[str, str], seconds: float | None) -> None:
    with pytest.raises(Retry) as broken:
        judge(wallhaven, "search", 503, headers, HTML, where=WHERE)
    assert broken.value.seconds == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0.0),
        ({"x-ratelimit-remaining": "1", "x-ratelimit-reset": "1030"}, 0.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1030"}, 30.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "990"}, 1.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9999999"}, 60.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "later"}, DEFAULT_RETRY_AFTER),
        ({"x-ratelimit-remaining": "0"}, DEFAULT_RETRY_AFTER),
    ],
)
def test_the_sources_own_count_is_obeyed(headers: dict[str, str], seconds: float) -> None:
    assert seconds_to_pause(headers, now=1000.0) == seconds


def test_a_number_is_never_negative_and_never_nan() -> None:
    assert [number(text, 7.0) for text in ("1.5", "-1", "x", "", None, "nan")] == [1.5, 0.0, 7.0, 7.0, 7.0, 7.0]


@pytest.mark.parametrize(
    ("own", "limit", "seconds"), [(45, "45", 0.0), (44, "45", 30.0), (45, "60", 30.0), (45, "", 30.0)]
)
def test_a_count_that_is_all_ours_needs_no_pause(own: int, limit: str, seconds: float) -> None:
    """The budget holds the next request back until the window that these fill is over; not so with others' requests."""
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1030", "x-ratelimit-limit": limit}
    assert seconds_to_pause(headers, 1000.0, own) == seconds
