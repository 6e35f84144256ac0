"""The twin as a process: it prints its address, obeys /twin/, and ends when told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).parents[2]

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts twins and ends those that a test leaves behind."""
    children: list[subprocess.Popen[str]] = []

    def begin(*options: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "twin", *options]
        child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        children.append(child)
        return child

    yield begin
    for child in children:
        if child.poll() is None:
            child.kill()
        child.communicate(timeout=30)


def address(child: subprocess.Popen[str]) -> str:
    """The API's address from the line that a ready twin prints."""
    assert child.stdout is not None
    words = child.stdout.readline().split()
    assert (words[0], words[2]) == ("twin:", "images")
    assert words[1] == f"http://{words[3]}/api/v1"
    return words[1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_answers_and_ends_cleanly_on_a_signal(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    port_file = tmp_path / "new" / "twin.port"
    child = start("--small", "--wallpapers", "30", "--query", "murloc", "--port-file", str(port_file))
    url = address(child)
    with requests.Session() as session:  # a connection kept alive must not hold the end up
        assert session.get(f"{url}/search?q=murloc", timeout=10).json()["meta"]["total"] == 30
        assert f":{_content(port_file)}/" in url
        child.send_signal(number)
        output, errors = child.communicate(timeout=20)
    assert (child.returncode, output, errors) == (0, "", "")
    assert not port_file.exists()


def _content(path: Path) -> str:
    deadline = time.monotonic() + 10
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return path.read_text().strip()


def test_a_running_twin_is_changed_from_outside(start: Start) -> None:
    url = address(start("--small", "--wallpapers", "30", "--rate-per-minute", "1000"))
    admin = url.removesuffix("/api/v1") + "/twin"

    def listing() -> tuple[int, list[str]]:
        body = requests.get(f"{url}/search?q=draenei", timeout=10).json()
        return body["meta"]["total"], [item["id"] for item in body["data"]]

    total, before = listing()
    fresh = requests.post(f"{admin}/upload?count=5", timeout=10).json()["ids"]
    assert requests.post(f"{admin}/delete?id={before[0]}", timeout=10).status_code == 200
    assert requests.post(f"{admin}/rerate?id={before[1]}&purity=sketchy", timeout=10).status_code == 200
    after_total, after = listing()
    assert after_total == total + 5 - 2
    assert after[:6] == [*reversed(fresh), before[2]]

    fault = requests.post(f"{admin}/fault", json={"kind": "status", "match": "search", "status": 502}, timeout=10)
    assert fault.json()["fault"]["kind"] == "status"
    assert requests.get(f"{url}/search", timeout=10).status_code == 502
    assert requests.get(f"{admin}/requests", timeout=10).json() == {
        "total": 3,
        "kinds": {"search": 3},
        "statuses": {"200": 2, "502": 1},
    }
    requests.post(f"{admin}/fault", json={"kind": "reset", "times": None}, timeout=10)
    assert requests.post(f"{admin}/clear-faults", timeout=10).json() == {"faults": []}
    assert requests.post(f"{admin}/reset-requests", timeout=10).json() == {"total": 0}
    assert requests.get(f"{admin}/requests", timeout=10).json()["total"] == 0
    assert listing()[0] == after_total


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("delete?id=zzzzzz", "", 404, "no 'zzzzzz'"),
        ("delete", "", 404, "no 'id'"),
        ("upload?count=lots", "", 400, "lots"),
        ("upload?count=0", "", 400, "count 0"),
        ("fault", "not json", 400, "Expecting value"),
        ("fault", '{"kind": "flood"}', 400, "no fault 'flood'"),
        ("fault", "[]", 400, "one JSON object"),
        ("nowhere", "", 404, "POST /twin/upload"),
    ],
)
def test_admin_mistakes_are_told(path: str, body: str, status: int, words: str) -> None:
    from twin import Catalogue, Twin

    with Twin(Catalogue.generate(2, small=True)) as twin:
        answer = requests.post(f"http://{twin.image_host}/twin/{path}", data=body, timeout=10)
        assert (answer.status_code, len(twin.catalogue)) == (status, 2)
        assert words in answer.json()["error"]


def test_it_ends_with_its_parent(start: Start) -> None:
    companion = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    child = start("--small", "--wallpapers", "1", "--exit-with-parent", str(companion.pid))
    address(child)
    assert child.poll() is None
    companion.communicate(b"\n", timeout=20)
    assert child.wait(timeout=20) == 0


def test_a_taken_port_is_told_and_not_a_traceback(start: Start) -> None:
    port = address(start("--small", "--wallpapers", "1")).split(":")[2].partition("/")[0]
    second = start("--small", "--wallpapers", "1", "--port", port)
    _, errors = second.communicate(timeout=20)
    assert second.returncode == 1
    assert errors.startswith(f"twin: cannot listen on 127.0.0.1:{port}")
    assert "Traceback" not in errors


def test_help_has_examples_and_wrong_options_are_refused(start: Start) -> None:
    output, _ = start("--help").communicate(timeout=20)
    assert "examples:" in output
    assert "/twin/upload?count=5" in output
    wrong = start("--wallpapers", "many")
    _, errors = wrong.communicate(timeout=20)
    assert (wrong.returncode, "--wallpapers" in errors) == (2, True)


def test_the_demo_serves_three_pages_under_its_faults(start: Start) -> None:
    from twin.demo import PAGES, WALLPAPERS

    url = address(start("--demo", "--small", "--exit-with-parent", str(os.getpid())))
    statuses = [requests.get(f"{url}/search?q=draenei&page={page}", timeout=10).status_code for page in (1, 2)]
    meta = requests.get(f"{url}/search?q=draenei&page=2", timeout=10).json()["meta"]
    assert statuses == [200, 429]
    assert (meta["total"], meta["last_page"]) == (WALLPAPERS, PAGES)
