"""The embedded PostgreSQL, real servers in temporary homes: what it promises while nothing goes wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from luigi_tasks.gateways import embedded_postgres as embedded
from luigi_tasks.gateways import embedded_postgres_files as kept
from tests.integration.embedded_postgres_probes import (
    family,
    pid_of,
    query,
    start_elsewhere,
    stopped_afterwards,
    wait_until,
)


@pytest.fixture
def home() -> Iterator[Path]:
    # pytest's own folders have names so long that the socket could not stay in the home.
    with tempfile.TemporaryDirectory(prefix="home-") as folder, stopped_afterwards(Path(folder) / "home") as home:
        yield home


def test_cold_start_gives_a_server_that_keeps_its_promises(home: Path) -> None:
    assert embedded.status(home) is None
    assert embedded.describe(home) is None
    server = embedded.ensure_running(home)
    assert query(server, "select version()")[0].startswith("PostgreSQL 18")
    settings = "data_checksums fsync synchronous_commit full_page_writes server_encoding timezone lc_messages"
    settings += " listen_addresses client_connection_check_interval max_connections unix_socket_permissions"
    assert {name: query(server, f"show {name}")[0] for name in settings.split()} == {
        "data_checksums": "on",
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "server_encoding": "UTF8",
        "timezone": "UTC",
        "lc_messages": "C",
        "listen_addresses": "127.0.0.1",
        "client_connection_check_interval": "1s",
        "max_connections": "100",
        "unix_socket_permissions": "0700",
    }
    assert query(server, "select datcollate from pg_database where datname = current_database()") == ["C"]
    assert embedded.describe(home) == server
    assert server.password not in repr(server)


def test_attaching_is_fast_and_starts_nothing(home: Path) -> None:
    server = embedded.ensure_running(home)
    before = pid_of(home)
    times = []
    for _ in range(20):
        began = time.perf_counter()
        assert embedded.ensure_running(home) == server
        times.append(time.perf_counter() - began)
    assert pid_of(home) == before
    assert sorted(times)[len(times) // 2] < 0.02


def test_initialise_prepares_the_whole_without_a_server(home: Path) -> None:
    prepared = embedded.initialise(home)
    assert embedded.initialise(home) == prepared == embedded.describe(home)
    assert embedded.status(home) is None
    assert family(home) == []
    assert embedded.ensure_running(home) == prepared


def test_the_password_is_asked_for_on_both_ways_in(home: Path) -> None:
    server = embedded.ensure_running(home)
    folder = home / "postgres"
    modes = {name: (folder / name).stat().st_mode & 0o777 for name in ("", "password", "socket", "data", "log")}
    assert modes == {"": 0o700, "password": 0o600, "socket": 0o700, "data": 0o700, "log": 0o700}
    for host in (server.host, str(server.socket_directory)):
        assert query(server, "select current_user", host) == ["draenei"]
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            query(server, "select 1", host, password="wrong")
    stored = query(server, "select rolpassword from pg_authid where rolname = 'draenei'")[0]
    assert stored.startswith("SCRAM-SHA-256$")


def test_it_listens_on_loopback_only(home: Path) -> None:
    server = embedded.ensure_running(home)
    listening = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            if state == "0A" and int(local.rpartition(":")[2], 16) == server.port:
                listening.append(local.rpartition(":")[0])
    assert listening == ["0100007F"]


def test_the_starter_may_go_and_its_pipes_close(home: Path) -> None:
    read_end, write_end = os.pipe()
    began = time.monotonic()
    started = start_elsewhere(home, pass_fds=[write_end])
    took = time.monotonic() - began
    os.close(write_end)
    assert (started.returncode, started.stdout, started.stderr) == (0, "", "")
    assert took < 30
    with os.fdopen(read_end, "rb") as inherited:
        assert inherited.read() == b"", "the server holds a pipe that its starter had inherited"
    server = embedded.status(home)
    assert server is not None
    assert query(server, "select 1") == [1]
    pid = pid_of(home)
    assert os.getsid(pid) != os.getsid(0)
    opened = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
    assert str(home / "postgres" / "lock") not in opened
    environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    names = {entry.partition(b"=")[0].decode() for entry in environment if entry}
    assert names <= {"PATH", "TZ", "LC_ALL", "PWD", "SHLVL", "OLDPWD", "_", "PG_OOM_ADJUST_FILE", "PG_GRANDPARENT_PID"}


def test_the_starters_libpq_settings_change_nothing(home: Path) -> None:
    odd = {"PGPORT": "1", "PGDATA": "/nowhere", "PGHOST": "elsewhere", "LC_ALL": "de_DE.UTF-8", "TZ": "Asia/Tokyo"}
    assert start_elsewhere(home, env=os.environ | odd).returncode == 0
    server = embedded.ensure_running(home)
    assert query(server, "show timezone") == ["UTC"]
    assert query(server, "show log_timezone") == ["UTC"]


def test_stop_is_idempotent_and_complete(home: Path) -> None:
    assert embedded.stop(home) is False
    assert not home.exists()
    embedded.ensure_running(home)
    assert embedded.stop(home) is True
    assert family(home) == []
    assert embedded.stop(home) is False
    assert embedded.status(home) is None
    assert embedded.describe(home) is not None


def test_a_long_home_gets_a_short_private_socket_folder(tmp_path: Path) -> None:
    home = tmp_path / ("very-long-name-" * 8) / 'odd, "quoted" $HOME'
    try:
        server = embedded.ensure_running(home)
        folder = server.socket_directory
        assert len(f"{folder}/.s.PGSQL.{server.port}") <= 107
        assert folder.stat().st_mode & 0o777 == 0o700
        assert query(server, "select 1", str(folder)) == [1]
        embedded.stop(home)
        assert embedded.ensure_running(home).socket_directory == folder
        embedded.stop(home)
        folder.chmod(0o755)
        other = embedded.ensure_running(home).socket_directory
        assert other != folder
        assert query(server, "select 1", str(other)) == [1]
        for used in (folder, other):
            shutil.rmtree(used)
    finally:
        embedded.stop(home)


def test_old_logs_are_dropped(home: Path) -> None:
    embedded.ensure_running(home)
    folder = home / "postgres" / "log"
    current = next(folder.glob("postgres-*.log"))
    for day in range(10, 29):
        (folder / f"postgres-2020-01-{day}T000000.log").touch()
    embedded.ensure_running(home)
    names = sorted(path.name for path in folder.glob("postgres-*.log"))
    assert len(names) == kept.KEPT_LOGS
    assert names[-1] == current.name


def test_processes_are_found_without_proc_as_well() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        wait_until(lambda: kept.command_line(process.pid) == "sleep 60")
        assert kept.listed(process.pid, "args=") == "sleep 60"
        assert kept.listed(process.pid, "state=").startswith("S")
        assert kept.is_alive(process.pid)
        process.kill()
