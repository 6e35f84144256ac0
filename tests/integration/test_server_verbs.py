"""up, env, status and down as a user types them, against an external database, with luigid on loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import Warehouse

URL = "http://127.0.0.1:{}/static/visualiser/index.html"


class Shell:
    """A user's shell with the warehouse's PG* variables."""

    def __init__(self, warehouse: Warehouse, folder: Path) -> None:
        self.home = warehouse.home
        self.folder = folder
        self.environ = {
            **warehouse.environ,
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "DRAENEI_HOME": str(warehouse.home),
            "WALLHAVEN_API_KEY": "canary-7f3a",
        }

    def __call__(self, *words: str) -> str:
        """What `python -m luigi_tasks WORDS` prints; it must succeed."""
        done = subprocess.run(
            [sys.executable, "-m", "luigi_tasks", *words],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        return done.stdout

    @property
    def luigid(self) -> psutil.Process:
        """The process that `up` said it started."""
        return psutil.Process(int((self.home / "scheduler" / "pid").read_text()))


@pytest.fixture
def shell(warehouse: Warehouse, tmp_path: Path) -> Iterator[Shell]:
    """A shell; luigid is stopped at the end, whatever happened."""
    opened = Shell(warehouse, tmp_path)
    yield opened
    if (opened.home / "scheduler" / "pid").exists():
        opened("down")


@pytest.fixture
def port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_luigid_is_started_once_on_loopback_and_stopped(shell: Shell, port: int) -> None:
    said = shell("up", "--scheduler", "--port", str(port))
    assert "warehouse  external, 127.0.0.1:" in said
    assert f"luigid     {URL.format(port)}" in said
    process = shell.luigid
    listening = [c.laddr for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert [(address.ip, address.port) for address in listening] == [("127.0.0.1", port)]
    assert "canary" not in str(process.environ())
    assert URL.format(port) in shell("up", "--scheduler", "--port", str(port))
    assert shell.luigid == process, "the second up found the first one's"
    assert shell("down") == "luigid     stopped\nwarehouse  external: left alone\n"
    assert not process.is_running()
    assert shell("down") == "warehouse  external: left alone\n"


def test_a_process_that_got_luigids_old_number_is_left_alone(shell: Shell) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    with bystander:
        (shell.home / "scheduler").mkdir(parents=True)
        (shell.home / "scheduler" / "pid").write_text(str(bystander.pid))
        assert shell("down") == "warehouse  external: left alone\n"
        assert bystander.poll() is None
        bystander.kill()


def test_up_makes_the_tables_once_and_env_tells_the_shell_how_to_reach_them(shell: Shell, warehouse: Warehouse) -> None:
    warehouse.rows("drop schema raw cascade; drop schema ops cascade")
    assert "migrated   0001_raw_and_ops" in shell("up")
    assert "migrated" not in shell("up")
    lines = shell("env").splitlines()
    assert sorted(lines) == sorted(f"export {name}={value}" for name, value in warehouse.environ.items())


def test_before_the_first_run_status_says_how_to_begin(shell: Shell) -> None:
    assert shell("status") == "Nothing was collected yet. Start with: luigi --module luigi_tasks Collect\n"
