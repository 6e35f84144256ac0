"""The twin's rate limit: a fixed window for each client, told in headers, refused in HTML."""

from __future__ import annotations

import http.client
import time

import requests

from twin import Catalogue, Fault, Twin
from twin.ratelimit import FixedWindow


def from_address(twin: Twin, address: str) -> int:
    """The status of one search from another loopback address."""
    connection = http.client.HTTPConnection(twin.image_host, timeout=10, source_address=(address, 0))
    connection.request("GET", "/api/v1/search", headers={"User-Agent": "test"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def test_the_window_opens_with_the_first_call_and_is_fixed() -> None:
    now = [1000.0]
    window = FixedWindow(2, 60, clock=lambda: now[0])
    assert [window.take("a").remaining for _ in range(2)] == [1, 0]
    now[0] = 1032.5
    refused = window.take("a")
    assert (refused.retry_after, refused.reset_epoch, refused.remaining) == (28, 1060, 0)
    assert window.take("b").retry_after == 0
    now[0] = 1059.9
    assert window.take("a").retry_after == 1
    now[0] = 1060.0
    assert window.take("a").remaining == 1


def test_over_the_limit_is_an_html_429_with_when_to_come_back() -> None:
    with Twin(Catalogue.generate(3, small=True), rate_per_minute=2) as twin:
        left = [requests.get(f"{twin.api_url}/search", timeout=10).headers["x-ratelimit-remaining"] for _ in range(2)]
        refused = requests.get(f"{twin.api_url}/search", timeout=10)
        image = requests.get(f"http://{twin.image_host}{twin.catalogue.snapshot()[1][0].path}", timeout=10)
        assert left == ["1", "0"]
        assert refused.status_code == 429
        assert refused.headers["content-type"].startswith("text/html")
        assert "Too many requests - wallhaven.cc" in refused.text
        assert 0 < int(refused.headers["retry-after"]) <= 60
        assert abs(int(refused.headers["x-ratelimit-reset"]) - time.time() - int(refused.headers["retry-after"])) < 3
        assert (refused.headers["x-ratelimit-limit"], refused.headers["x-ratelimit-remaining"]) == ("2", "0")
        assert image.status_code == 200
        assert from_address(twin, "127.0.0.2") == 200
        twin.reset_rate_limit()
        assert requests.get(f"{twin.api_url}/search", timeout=10).status_code == 200


def test_a_refused_call_uses_no_fault_up() -> None:
    fault = Fault("status", "search", after=1)
    with Twin(Catalogue.generate(1, small=True), rate_per_minute=1, faults=[fault]) as twin:
        assert [requests.get(f"{twin.api_url}/search", timeout=10).status_code for _ in range(3)] == [200, 429, 429]
        assert twin.faults.pending() == [fault]
        twin.reset_rate_limit()
        assert requests.get(f"{twin.api_url}/search", timeout=10).status_code == 503


def test_a_short_window_lets_calls_in_again() -> None:
    with Twin(Catalogue.generate(1, small=True), rate_per_minute=1, window_seconds=1.0) as twin:
        assert requests.get(f"{twin.api_url}/search", timeout=10).status_code == 200
        assert requests.get(f"{twin.api_url}/search", timeout=10).status_code == 429
        time.sleep(1.05)
        assert requests.get(f"{twin.api_url}/search", timeout=10).status_code == 200
