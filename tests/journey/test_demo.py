"""`make demo` as it stands in the Makefile: it ends with addresses, and each of them opens."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journey.running import REPOSITORY
from tests.prove.depth import marks

ADDRESS = re.compile(r"^  (\w+) +((?:file|http)://\S+)$", re.M)
OUTSIDE = re.compile(rb"""<(?:script|img|iframe)[^>]*\ssrc=["']?(?:https?:)?//|<link[^>]*\shref=["']?(?:https?:)?//""")


@pytest.fixture
def environ(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A clean environment with a home of its own; luigid and the database are stopped afterwards."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}
    environ = kept | {"DRAENEI_HOME": str(tmp_path / "home"), "LUIGI_CONFIG_PATH": str(REPOSITORY / "luigi.cfg")}
    yield environ
    down = [sys.executable, "-m", "luigi_tasks", "down"]
    stopped = subprocess.run(down, cwd=REPOSITORY, env=environ, capture_output=True, text=True, check=True)
    assert "luigid     stopped" in stopped.stdout


def demo(source: str, environ: dict[str, str]) -> str:
    """What it says; the environment is there already, so `setup` is not made."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [f"SOURCE={source}", f"VENV={Path(sys.executable).parents[1]}", f"SCHEDULER_PORT={port}"]
    ended = subprocess.run(
        ["make", "-o", "setup", "demo", *words],
        cwd=REPOSITORY,
        env=environ,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def opened(said: str) -> dict[str, bytes]:
    """Every address under its name, and what comes when it is opened."""
    pages = {}
    for name, address in ADDRESS.findall(said.partition("To look at:")[2]):
        with urllib.request.urlopen(address, timeout=10) as answer:
            pages[name] = answer.read()
        assert b"<title>" in pages[name], address
    return pages


@pytest.mark.parametrize(
    "source", [pytest.param(s, marks=marks(s, ("sales",))) for s in ("sales", "wallhaven", "kaggle")]
)
def test_every_address_that_it_ends_with_opens(source: str, environ: dict[str, str]) -> None:
    gallery = Path(environ["DRAENEI_HOME"]) / "gallery" / "index.html"
    gallery.parent.mkdir(parents=True)
    gallery.write_text("<title>of another source, before</title>")
    said = demo(source, environ)
    pages = opened(said)
    pictured = {"gallery"} if source != "sales" else set()
    assert pages.keys() == {"models", "report", "overview", "scheduler"} | pictured
    assert "luigi_tasks down" in said
    assert b"before" not in pages.get("gallery", b"")

    assert not OUTSIDE.search(pages["models"]), "one file, nothing from the network"
    assert b"fct_sales" in pages["models"]
    assert b'href="../../../dbt.html"' in pages["report"]
    assert b'href="dbt.html"' in pages["overview"]
    assert b"Luigi" in pages["scheduler"]
