"""What the tests of the embedded PostgreSQL look through: SQL, its processes, and a starter of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg2

from luigi_tasks.gateways import embedded_postgres as embedded
from luigi_tasks.gateways import embedded_postgres_files as kept

ROOT = Path(__file__).parents[2]
START = """
import os, pathlib, sys
from luigi_tasks.gateways import embedded_postgres
if len(sys.argv) > 2:
    os.setgroups([]), os.setgid(int(sys.argv[2])), os.setuid(int(sys.argv[2]))
embedded_postgres.ensure_running(pathlib.Path(sys.argv[1]))
"""


@contextmanager
def stopped_afterwards(home: Path) -> Iterator[Path]:
    """A home whose server is stopped at the end, whatever a test made of its data folder."""
    yield home
    version = home / "postgres" / "data" / "PG_VERSION"
    if version.exists():
        version.write_text("18\n")
        embedded.stop(home)


def query(server: embedded.Server, statement: str, host: str = "", **changed: Any) -> list[Any]:
    """The first column of each row; commits."""
    address = {"host": host or server.host, "port": server.port, "user": server.user, "dbname": server.dbname}
    arguments = {**address, "password": server.password, "connect_timeout": 10, **changed}
    with closing(psycopg2.connect(**arguments)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return [row[0] for row in cursor.fetchall()] if cursor.description else []


def pid_of(home: Path) -> int:
    running = kept.postmaster(kept.Files.below(home))
    assert running is not None
    return running.pid


def family(home: Path) -> list[int]:
    """Every living process whose working folder is the data folder: postmaster, workers, backends, orphans."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            if os.readlink(link) == str(home / "postgres" / "data"):
                found.append(int(link.parent.name))
    return found


def start_elsewhere(home: Path, *user_id: int, **options: Any) -> subprocess.CompletedProcess[str]:
    """Start the server from another process, perhaps another user's, whose pipes we wait on."""
    command = [sys.executable, "-c", START, str(home), *map(str, user_id)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT, **options)


def kill_all(home: Path) -> None:
    os.kill(pid_of(home), signal.SIGKILL)
    for pid in family(home):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not family(home))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited 20 s in vain"
        time.sleep(0.01)
