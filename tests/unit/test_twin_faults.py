"""Each fault of the twin does what it says, seen from a socket."""

from __future__ import annotations

import gzip
import http.client
import io
import json
import math
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from PIL import Image

from twin import Catalogue, Fault, FaultPlan, Twin
from twin.faults import KINDS
from twin.messages import Route


@pytest.fixture
def twin() -> Iterator[Twin]:
    with Twin(Catalogue.generate(30, small=True), rate_per_minute=10_000) as running:
        yield running


def api(twin: Twin, path: str = "search?q=draenei") -> requests.Response:
    """One API call, redirects not followed."""
    return requests.get(f"{twin.api_url}/{path}", timeout=10, allow_redirects=False)


def picture(twin: Twin) -> tuple[str, str, bytes]:
    """Id, URL and true bytes of the newest wallpaper's picture."""
    wallpaper = twin.catalogue.snapshot()[1][-1]
    return wallpaper.id, f"http://{twin.image_host}{wallpaper.path}", wallpaper.picture.body() or b""


def raw(twin: Twin, path: str, seconds: float = 5.0) -> bytes:
    """Everything the server sends on a bare socket until it closes."""
    host, _, port = twin.image_host.partition(":")
    with socket.create_connection((host, int(port)), timeout=seconds) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nUser-Agent: test\r\n\r\n".encode())
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    return received


def spoilt(twin: Twin, fault: Fault) -> Any:
    """The search body under a fault, parsed as Python does."""
    twin.faults.add(fault)
    return json.loads(api(twin).content)


def test_status_with_retry_after(twin: Twin) -> None:
    twin.faults.add(Fault("status", "search", status=503, retry_after=7))
    answer = api(twin)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
    assert api(twin).status_code == 200


def test_throttle_is_the_sites_own_429(twin: Twin) -> None:
    twin.faults.add(Fault("throttle", "search", retry_after=3))
    answer = api(twin)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3")
    assert "Too many requests - wallhaven.cc" in answer.text
    assert answer.headers["x-ratelimit-remaining"] == "0"


def test_html_with_200(twin: Twin) -> None:
    twin.faults.add(Fault("html_200"))
    answer = api(twin)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=UTF-8")


def test_redirect_points_where_it_is_told(twin: Twin) -> None:
    twin.faults.add(Fault("redirect", "image", location="http://127.0.0.1:9/elsewhere"))
    answer = requests.get(picture(twin)[1], timeout=10, allow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (302, "http://127.0.0.1:9/elsewhere")


def test_truncate_breaks_the_promise_of_content_length(twin: Twin) -> None:
    _, url, body = picture(twin)
    twin.faults.add(Fault("truncate", "image"))
    connection = http.client.HTTPConnection(twin.image_host, timeout=10)
    connection.request("GET", url.partition(twin.image_host)[2], headers={"User-Agent": "test"})
    answer = connection.getresponse()
    assert answer.getheader("content-length") == str(len(body))
    with pytest.raises(http.client.IncompleteRead) as cut:
        answer.read()
    assert cut.value.partial == body[: len(body) // 2]
    connection.close()


def test_truncate_silent_looks_complete(twin: Twin) -> None:
    _, url, body = picture(twin)
    twin.faults.add(Fault("truncate_silent", "image"))
    answer = requests.get(url, timeout=10)
    assert answer.content == body[: len(body) // 2]
    assert "content-length" not in answer.headers


def test_wrong_length_hides_half_of_the_body(twin: Twin) -> None:
    wallpaper_id, url, body = picture(twin)
    twin.faults.add(Fault("wrong_length", "image", id=wallpaper_id, times=2))
    assert requests.get(url, timeout=10).content == body[: len(body) // 2]
    assert raw(twin, url.partition(twin.image_host)[2]).endswith(body)


def test_corrupt_keeps_the_length_and_spoils_the_bytes(twin: Twin) -> None:
    _, url, body = picture(twin)
    twin.faults.add(Fault("corrupt", "image"))
    damaged = requests.get(url, timeout=10).content
    assert len(damaged) == len(body)
    assert damaged != body
    assert damaged[-2:] != body[-2:]
    assert damaged[:8] == body[:8]


def test_wrong_type_is_html_called_a_picture(twin: Twin) -> None:
    twin.faults.add(Fault("wrong_type", "image"))
    answer = requests.get(picture(twin)[1], timeout=10)
    assert answer.headers["content-type"] in ("image/jpeg", "image/png")
    assert answer.content.startswith(b"<!DOCTYPE html>")


def test_oversize_has_more_than_the_listing_says_and_still_decodes(twin: Twin) -> None:
    _, url, body = picture(twin)
    twin.faults.add(Fault("oversize", "image", amount=1000))
    answer = requests.get(url, timeout=10)
    assert answer.content == body + bytes(1000)
    with Image.open(io.BytesIO(answer.content)) as image:
        image.load()


def test_slow_waits_and_then_answers(twin: Twin) -> None:
    twin.faults.add(Fault("slow", "search", seconds=0.3))
    started = time.monotonic()
    assert api(twin).status_code == 200
    assert time.monotonic() - started >= 0.3


def test_drip_never_ends_on_its_own(twin: Twin) -> None:
    _, url, body = picture(twin)
    twin.faults.add(Fault("drip", "image", seconds=0.001))
    with requests.get(url, timeout=10, stream=True) as answer:
        received = b"".join(answer.raw.read(1) for _ in range(len(body) + 20))
    assert received == (body + body)[: len(body) + 20]


def test_stopping_does_not_wait_for_a_drip() -> None:
    with Twin(Catalogue.generate(1, small=True), faults=[Fault("drip", seconds=60)]) as own:
        answer = requests.get(f"{own.api_url}/search", timeout=10, stream=True)
        assert answer.raw.read(1) == b"{"
        started = time.monotonic()
    answer.close()
    assert time.monotonic() - started < 5


def test_reset_drops_the_connection_without_an_answer(twin: Twin) -> None:
    twin.faults.add(Fault("reset", "search"))
    with pytest.raises(ConnectionResetError):
        raw(twin, "/api/v1/search")
    assert [(request.status, request.fault) for request in twin.requests] == [(0, "reset")]
    assert api(twin).status_code == 200


def test_gzip_bomb_unpacks_to_its_amount(twin: Twin) -> None:
    twin.faults.add(Fault("gzip_bomb", "search", amount=5_000_000))
    with requests.get(f"{twin.api_url}/search", timeout=10, stream=True) as answer:
        packed = answer.raw.read(decode_content=False)
        assert answer.headers["content-encoding"] == "gzip"
    assert len(packed) < 10_000
    assert len(gzip.decompress(packed)) == pytest.approx(5_000_000, abs=1 << 20)


def test_bad_json_does_not_parse(twin: Twin) -> None:
    twin.faults.add(Fault("bad_json", "search"))
    answer = api(twin)
    assert answer.headers["content-type"] == "application/json"
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.content)


def test_empty_data_with_a_total(twin: Twin) -> None:
    body = spoilt(twin, Fault("empty_data", "search"))
    assert (body["data"], body["meta"]["total"]) == ([], 30)


@pytest.mark.parametrize(
    ("fault", "field", "value"),
    [
        (Fault("extra_field", "search"), "mood", None),
        (Fault("extra_field", "search", field="rating", value={"a": 1}), "rating", {"a": 1}),
        (Fault("set_field", "search", field="ratio", value=1.78), "ratio", 1.78),
        (Fault("null_byte", "search"), "source", "before\0after"),
        (Fault("lone_surrogate", "search"), "source", "\ud83d"),
        (Fault("huge_number", "search", field="file_size"), "file_size", 10**400),
    ],
)
def test_one_item_is_spoilt_and_the_others_are_not(twin: Twin, fault: Fault, field: str, value: object) -> None:
    clean = api(twin).json()
    body = spoilt(twin, fault)
    assert body["data"][0] == clean["data"][0] | {field: value}
    assert body["data"][1:] == clean["data"][1:]


def test_nan_is_no_json(twin: Twin) -> None:
    assert math.isnan(spoilt(twin, Fault("nan", "search", times=2))["data"][0]["views"])
    assert b'"views":NaN' in api(twin).content


def test_the_named_item_is_the_one_that_is_spoilt(twin: Twin) -> None:
    target = api(twin).json()["data"][5]["id"]
    body = spoilt(twin, Fault("missing_field", "search", id=target, field="path"))
    assert [item["id"] for item in body["data"] if "path" not in item] == [target]


def test_duplicate_item_comes_twice_on_a_page(twin: Twin) -> None:
    ids = [item["id"] for item in spoilt(twin, Fault("duplicate_item", "search"))["data"]]
    assert (len(ids), ids[-1]) == (25, ids[0])


def test_gone_answers_as_the_site_does(twin: Twin) -> None:
    wallpaper_id, url, _ = picture(twin)
    twin.faults.add(Fault("gone", times=None, id=wallpaper_id, match="detail"), Fault("gone", "image", id=wallpaper_id))
    assert api(twin, f"w/{wallpaper_id}").json() == {"error": "Nothing here"}
    image = requests.get(url, timeout=10)
    assert (image.status_code, image.headers["content-type"]) == (404, "text/html; charset=UTF-8")


def test_a_spoilt_connection_leaves_the_next_one_alone(twin: Twin) -> None:
    _, url, body = picture(twin)
    twin.faults.add(*(Fault(kind, "image") for kind in ("truncate", "truncate_silent", "wrong_length", "corrupt")))
    with requests.Session() as session:
        outcomes = []
        for _ in range(5):
            try:
                outcomes.append(session.get(url, timeout=10).content == body)
            except requests.exceptions.ChunkedEncodingError:
                outcomes.append(False)
    assert outcomes == [False, False, False, False, True]


def test_when_faults_strike() -> None:
    search, other = Route("search", page=2), Route("image", "abc123")
    plan = FaultPlan(
        [Fault("status", "search", after=1, times=2, page=2), Fault("reset", "image", id="abc123", times=None)]
    )
    assert plan.take(Route("search", page=1)) is None
    struck = [plan.take(search) for _ in range(4)]
    assert [fault is not None for fault in struck] == [False, True, True, False]
    assert plan.take(Route("image", "zzz999")) is None
    assert [plan.take(other) is not None for _ in range(3)] == [True] * 3
    assert [fault.kind for fault in plan.pending()] == ["reset"]
    plan.clear()
    assert plan.take(other) is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"kind": "flood"}, "no fault 'flood'"),
        ({"kind": "reset", "match": "x"}, "no route 'x'"),
        ({}, "'kind' is missing"),
        ({"kind": "nan", "x": 1}, "unknown field 'x'"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Fault.from_mapping(given)


def test_every_kind_can_be_planned_from_json() -> None:
    for kind in KINDS:
        assert Fault.from_mapping(json.loads(json.dumps({"kind": kind, "times": None}))).kind == kind
