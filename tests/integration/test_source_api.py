"""GET from an API that misbehaves: a whole answer in time, or a clear error; the key stands in its header only."""

from __future__ import annotations

import gzip
import json
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from urllib3.connection import HTTPConnection
from urllib3.response import HTTPResponse

from luigi_tasks.domain.errors import PipelineError, SourceError, SourceUnreachable
from luigi_tasks.gateways.source_api import SourceApi
from tests.image_server import ImageServer, Request, serving, whole
from twin import Account, Catalogue, Fault, Twin, faults

KEY = "canary-7f3a"
# As alike as records of a listing can be: 3 MB of them.
RECORDS = [
    {"id": f"{number:06}", "purity": "sfw", "category": "anime", "path": "https://w.wallhaven.cc/full/xx/" + "x" * 400}
    for number in range(6000)
]


@pytest.fixture(scope="module")
def twin() -> Iterator[Twin]:
    """A twin whose faults each test plans for itself."""
    with Twin(Catalogue.generate(30, small=True), rate_per_minute=10_000, account=Account(key=KEY)) as running:
        yield running


@pytest.fixture
def server() -> Iterator[ImageServer]:
    """A server whose answers the test writes."""
    with serving() as running:
        yield running


@pytest.fixture
def api(twin: Twin) -> Iterator[SourceApi]:
    """The gateway to the twin."""
    twin.faults.clear()
    twin.clear_requests()
    with SourceApi(twin.api_url, {"X-API-Key": KEY}, timeout_seconds=1.0, max_bytes=1 << 20) as opened:
        yield opened


def own_api(server: ImageServer, seconds: float = 1.0) -> SourceApi:
    """The gateway to the test's own server."""
    return SourceApi(server.url(""), {"X-API-Key": KEY}, timeout_seconds=seconds, max_bytes=100_000)


def test_a_response_is_whole_and_exact(server: ImageServer) -> None:
    body = bytes(range(256)) * 300
    server.answers["/search"] = whole(body, "application/json", X_RateLimit_Remaining=7)
    with own_api(server) as api:
        response = api.get("/search", (("page", "1"), ("q", "+draenei like:x")))
    assert (response.status, response.body) == (200, body)
    assert response.headers["x-ratelimit-remaining"] == "7"
    assert response.url == server.url("/search?page=1&q=%2Bdraenei+like%3Ax")
    assert response.fetched_at.utcoffset() is not None


def test_an_error_status_is_a_response_too(api: SourceApi, twin: Twin) -> None:
    twin.faults.add(Fault("status", "search", status=503))
    assert api.get("/search").status == 503
    assert api.get("/w/zzzzzz").status == 404


def test_who_we_are_is_said_and_the_key_is_a_header_only(api: SourceApi, twin: Twin) -> None:
    api.get("/search", (("page", "1"), ("q", "draenei")))
    (request,) = twin.api_calls()
    assert request.headers["user-agent"].startswith("draenei-collector/")
    assert "+https://" in request.headers["user-agent"]
    assert request.headers["x-api-key"] == KEY
    assert request.query == "page=1&q=draenei"


def test_credentials_of_the_machine_stay_there(
    server: ImageServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text(f"default login me password {KEY}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    server.answers["/search"] = whole(b"{}", "application/json")
    with own_api(server) as api:
        api.get("/search")
    assert "Authorization" not in server.headers_of["/search"]


def test_a_redirect_is_not_followed(api: SourceApi, twin: Twin, server: ImageServer) -> None:
    twin.faults.add(Fault("redirect", "search", location=server.url("/elsewhere")))
    assert api.get("/search").status == 302
    assert server.asked == {}


@pytest.mark.parametrize("kind", ["drip", "slow"])
def test_a_response_that_never_ends_ends_in_time(api: SourceApi, twin: Twin, kind: str) -> None:
    twin.faults.add(Fault(kind, "search", seconds=0.05 if kind == "drip" else 30))
    begun = time.monotonic()
    with pytest.raises(SourceUnreachable, match="no whole answer"):
        api.get("/search")
    assert 0.9 <= time.monotonic() - begun < 10


def test_headers_that_never_end_end_in_time(server: ImageServer) -> None:
    def answer(request: Request) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        for _ in range(400):
            request.wfile.write(b"x")
            time.sleep(0.05)

    server.answers["/search"] = answer
    begun = time.monotonic()
    with own_api(server) as api, pytest.raises(SourceUnreachable, match="head did not come whole in time"):
        api.get("/search")
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(("seconds", "words"), [(0.5, "did not come whole in time"), (60, "by the host")])
def test_a_reset_after_the_hang_up_is_the_hang_up_s(
    server: ImageServer, monkeypatch: pytest.MonkeyPatch, seconds: float, words: str
) -> None:
    """A host that goes on sending answers the hang-up with a reset, which may be read before the end is."""

    def reset(self: HTTPConnection) -> HTTPResponse:
        time.sleep(1 if seconds < 1 else 0)
        raise ConnectionResetError("by the host")

    monkeypatch.setattr(HTTPConnection, "getresponse", reset)
    with own_api(server, seconds) as api, pytest.raises(SourceUnreachable, match=words):
        api.get("/search")


@pytest.mark.parametrize("kind", ["truncate", "reset"])
def test_a_response_that_is_cut_short_is_none(api: SourceApi, twin: Twin, kind: str) -> None:
    twin.faults.add(Fault(kind, "search"))
    with pytest.raises(SourceUnreachable, match="no whole answer"):
        api.get("/search")
    assert api.get("/search").status == 200


def test_a_chunked_response_that_is_cut_short_is_none(server: ImageServer) -> None:
    def answer(request: Request) -> None:
        request.head(200, Transfer_Encoding="chunked", Connection="close")
        request.wfile.write(b"5\r\n[1, 2\r\n5\r\n, ")
        request.close_connection = True

    server.answers["/search"] = answer
    with own_api(server) as api, pytest.raises(SourceUnreachable):
        api.get("/search")


def test_a_small_response_that_unpacks_to_a_huge_one_is_refused(api: SourceApi, twin: Twin) -> None:
    amount = 64 << 20
    twin.faults.add(Fault("gzip_bomb", "search", amount=amount))
    faults._bomb(amount)  # made before it is asked for: it takes a second
    tracemalloc.start()
    try:
        with pytest.raises(SourceError, match="larger than 1048576 bytes"):
            api.get("/search")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < amount // 4, "it was not unpacked to the end"


def test_a_response_unpacks_200_fold_at_most_unless_it_is_small(server: ImageServer) -> None:
    bodies = {"/small": b" " * (1 << 20), "/bomb": b" " * (2 << 20), "/listing": json.dumps(RECORDS).encode()}
    for path, body in bodies.items():
        server.answers[path] = whole(gzip.compress(body), "application/json", Content_Encoding="gzip")
    server.answers["/plain"] = whole(bodies["/bomb"], "application/json")
    with SourceApi(server.url(""), {}, timeout_seconds=10, max_bytes=4 << 20) as api:
        for path in ("/small", "/listing"):
            assert api.get(path).body == bodies[path]
        assert api.get("/plain").body == bodies["/bomb"], "what was sent as it is was paid for"
        with pytest.raises(SourceError, match=r"unpacks to more than 200 times its size.*curl"):
            api.get("/bomb")


def test_a_compressed_response_is_read_however_slowly_it_comes(server: ImageServer) -> None:
    body = gzip.compress(b'{"data": []}', mtime=0)

    def answer(request: Request) -> None:
        request.head(200, Content_Encoding="gzip", Content_Length=len(body))
        for byte in body:
            request.wfile.write(bytes((byte,)))
            request.wfile.flush()

    server.answers["/search"] = answer
    with own_api(server) as api:
        assert api.get("/search").body == b'{"data": []}'


def test_nobody_there_is_said_in_plain_words() -> None:
    nobody = SourceApi("http://127.0.0.1:1/api/v1", {"X-API-Key": KEY}, 1, 1000)
    with nobody as api, pytest.raises(SourceUnreachable) as refused:
        api.get("/search")
    assert "Connection refused" in str(refused.value)
    assert "(http://127.0.0.1:1/api/v1/search)" in str(refused.value)
    assert KEY not in str(refused.value)


@pytest.mark.parametrize(
    "answer", [b"this is no HTTP at all\r\n\r\n", b"", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{"]
)
def test_what_is_no_http_is_no_answer(server: ImageServer, answer: bytes) -> None:
    def write(request: Request) -> None:
        request.wfile.write(answer)
        request.close_connection = True

    server.answers["/search"] = write
    with own_api(server) as api:
        try:
            body = api.get("/search").body
        except SourceUnreachable as problem:
            body = str(problem).encode()
    assert KEY.encode() not in body


@pytest.mark.parametrize("key", [f"{KEY}\nX-Other: 1", f" {KEY}", f"{KEY}é\u2603"])
def test_a_key_that_is_no_header_value_is_not_told(server: ImageServer, key: str) -> None:
    with SourceApi(server.url(""), {"X-API-Key": key}, 1, 1000) as api, pytest.raises(PipelineError) as refused:
        api.get("/search")
    assert KEY not in str(refused.value)
    assert refused.value.__suppress_context__
