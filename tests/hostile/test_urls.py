"""Hostile addresses of pictures, each with the outcome it must have, through the real downloader and real sockets."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from urllib3.util import connection as connecting

from luigi_tasks.domain.publishing import PictureError
from luigi_tasks.gateways.download import Downloader
from luigi_tasks.settings import Settings
from tests.image_server import ImageServer, Request, serving, status, whole
from tests.rooms import AnyRoom

FOLDER = Path(__file__).parent
BODY = b"a picture"
NAME = "w.example.test"


def lines(file: str) -> list[dict[str, str]]:
    """The cases of a file of JSON lines."""
    return [json.loads(line) for line in (FOLDER / file).read_text().splitlines()]


URLS, RESOLVED = lines("urls.jsonl"), lines("resolved.jsonl")


@pytest.fixture
def listed() -> Iterator[ImageServer]:
    with serving() as server:
        server.answers["/x"] = whole(BODY)
        yield server


@pytest.fixture
def other() -> Iterator[ImageServer]:
    with serving() as server:
        server.answers["/x"] = whole(b"what must not be read")
        yield server


def outcome(downloader: Downloader, url: str) -> str:
    """'fetched' when it is the listed host's picture, else the outcome."""
    try:
        return "fetched" if downloader.fetch(url, AnyRoom()).body == BODY else "another body"
    except PictureError as problem:
        return str(problem.outcome) if "secret" not in str(problem) else "leaks the URL's password"


def moved_to(location: str) -> object:
    """A redirect with the location's very bytes."""

    def answer(request: Request) -> None:
        head = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + location.encode()
        request.wfile.write(head + b"\r\n\r\n")

    return answer


def test_there_are_at_least_eighty() -> None:
    assert len({case["url"] for case in URLS}) == len(URLS)
    assert len(URLS) + len(RESOLVED) >= 80


def test_every_address_has_its_outcome(
    listed: ImageServer, other: ImageServer, record_property: Callable[[str, object], None]
) -> None:
    expected, found = {}, {}
    with Downloader(Settings(wallhaven_image_hosts=(listed.host,))) as downloader:
        for case in URLS:
            url = filled(case, listed, other)
            expected[case["url"]], found[case["url"]] = case["expected"], outcome(downloader, url)
    assert found == expected
    assert not other.asked
    record_property("cases", len(found))
    assert not any("X-Injected" in headers for headers in listed.headers_of.values())


def test_every_address_that_is_redirected_to_has_its_outcome(
    listed: ImageServer, other: ImageServer, record_property: Callable[[str, object], None]
) -> None:
    expected, found = {}, {}
    with Downloader(Settings(wallhaven_image_hosts=(listed.host,))) as downloader:
        for case in URLS:
            due, location = case.get("as_redirect", case["expected"]), filled(case, listed, other)
            listed.answers["/moved"] = moved_to(location)
            got = outcome(downloader, listed.url("/moved"))
            expected[case["url"]], found[case["url"]] = due, got if due != "any" or got == "another body" else "any"
    assert found == expected
    assert not other.asked
    record_property("cases", len(found))


def filled(case: dict[str, str], listed: ImageServer, other: ImageServer) -> str:
    """The case's URL with the servers' addresses in it."""
    known = {"{host}": listed.host, "{other}": other.host, "{other_port}": str(other.server_port)}
    url = case["url"]
    for mark, value in known.items():
        url = url.replace(mark, value)
    return url


class Elsewhere(socket.socket):
    """A socket that is connected to our server, and would be to another address in the world of the test."""

    address = ""

    def getpeername(self) -> tuple[str, int]:
        """Where a resolver with such an answer would have led to."""
        return self.address, 80


def resolving(monkeypatch: pytest.MonkeyPatch, server: ImageServer, addresses: list[str]) -> None:
    """Make every new connection lead to the server by the next of the addresses; the last one stays."""

    def connect(where: tuple[str, int], *_: object, **__: object) -> socket.socket:
        assert where[0] == NAME, "the very host of the URL is connected to"
        made = Elsewhere(socket.AF_INET, socket.SOCK_STREAM)
        made.address = addresses.pop(0) if len(addresses) > 1 else addresses[0]
        made.connect(("127.0.0.1", server.server_port))
        return made

    monkeypatch.setattr(connecting, "create_connection", connect)


@pytest.mark.parametrize("case", RESOLVED, ids=lambda case: case["address"])
def test_what_a_listed_name_resolves_to_is_checked(
    listed: ImageServer, monkeypatch: pytest.MonkeyPatch, case: dict[str, str]
) -> None:
    resolving(monkeypatch, listed, [case["address"]])
    with Downloader(Settings(wallhaven_image_hosts=(NAME,))) as downloader:
        assert outcome(downloader, f"http://{NAME}/x") == case["expected"]
    assert bool(listed.asked) == (case["expected"] == "fetched")


def test_a_name_that_resolves_otherwise_the_second_time_gains_nothing(
    listed: ImageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving(monkeypatch, listed, ["93.184.216.34", "169.254.169.254"])

    def close_after(request: Request) -> None:
        request.close_connection = True
        status(302, Location="/y", Connection="close")(request)

    listed.answers["/x"], listed.answers["/y"] = close_after, whole(b"inner secrets")
    with Downloader(Settings(wallhaven_image_hosts=(NAME,))) as downloader:
        assert outcome(downloader, f"http://{NAME}/x") == "refused"
    assert (listed.asked["/x"], listed.asked["/y"]) == (1, 0)
