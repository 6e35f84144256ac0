"""The embedded PostgreSQL raced for, killed, misled, damaged and forbidden: real servers in temporary homes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psycopg2
import pytest

from luigi_tasks.gateways import embedded_postgres as embedded
from luigi_tasks.gateways import embedded_postgres_files as kept
from tests.integration.embedded_postgres_probes import (
    family,
    kill_all,
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


def test_an_initialisation_that_was_cut_short_is_begun_anew(home: Path) -> None:
    remains = home / "postgres" / "data.new"
    remains.mkdir(parents=True)
    (remains / "PG_VERSION").write_text("18\n")
    assert query(embedded.ensure_running(home), "select 1") == [1]
    assert not remains.exists()


def test_eight_racing_starters_make_one_server(home: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        ended = list(pool.map(lambda _: start_elsewhere(home), range(8)))
    assert [(process.returncode, process.stderr) for process in ended] == [(0, "")] * 8
    lines = [kept.command_line(pid) for pid in family(home)]
    assert sum(f" -D {home}/postgres/data " in line for line in lines) == 1
    assert len(list((home / "postgres" / "log").glob("postgres-*.log"))) == 1


def test_nothing_committed_is_lost_by_kill_9(home: Path) -> None:
    server = embedded.ensure_running(home)
    query(server, "create table kept as select 42 as answer")
    kill_all(home)
    assert embedded.status(home) is None
    again = embedded.ensure_running(home)
    assert query(again, "select answer from kept") == [42]
    assert again == server


def test_orphans_of_a_killed_postmaster_are_waited_for(home: Path) -> None:
    server = embedded.ensure_running(home)
    busy = "do $$ declare till timestamptz := clock_timestamp() + '1.5s';"
    busy += " begin while clock_timestamp() < till loop end loop; end $$"
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(query, server, busy)
        active = "select pid from pg_stat_activity where query like 'do %' and state = 'active'"
        wait_until(lambda: query(server, active) != [])
        orphan = query(server, active)[0]
        os.kill(pid_of(home), signal.SIGKILL)
        wait_until(lambda: embedded.status(home) is None)
        assert orphan in family(home)
        began = time.monotonic()
        again = embedded.ensure_running(home)
        assert time.monotonic() - began > 0.5
        assert orphan not in family(home)
        assert query(again, "select 1") == [1]
        with suppress(psycopg2.Error):
            working.result(timeout=20)


@pytest.mark.parametrize("content", ["{foreign}\n{rest}", ""])
def test_a_stale_pid_file_does_not_fool_it(home: Path, content: str) -> None:
    embedded.ensure_running(home)
    pid_file = home / "postgres" / "data" / "postmaster.pid"
    rest = pid_file.read_text().partition("\n")[2]
    kill_all(home)
    with subprocess.Popen(["sleep", "60"]) as foreign:
        try:
            pid_file.write_text(content.format(foreign=foreign.pid, rest=rest))
            for lock in (home / "postgres" / "socket").glob("*.lock"):
                lock.write_text(f"{foreign.pid}\n{rest}")
            assert embedded.status(home) is None
            assert embedded.stop(home) is False
            assert query(embedded.ensure_running(home), "select 1") == [1]
            assert foreign.poll() is None
        finally:
            foreign.kill()


def test_a_zombie_postmaster_is_no_server(home: Path) -> None:
    embedded.initialise(home)
    data = home / "postgres" / "data"
    with subprocess.Popen(["true"]) as zombie:
        wait_until(lambda: kept.command_line(zombie.pid) == "")
        assert Path(f"/proc/{zombie.pid}").exists()
        (data / "postmaster.pid").write_text(f"{zombie.pid}\n{data}\n0\n1\n\n\n\nready\n")
        assert embedded.status(home) is None
        assert query(embedded.ensure_running(home), "select 1") == [1]


def test_a_taken_port_is_replaced_and_the_new_one_kept(home: Path) -> None:
    first = embedded.initialise(home)
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", first.port))
        squatter.listen()
        second = embedded.ensure_running(home)
    assert second.port != first.port
    assert query(second, "select 1") == [1]
    assert embedded.describe(home) == second
    embedded.stop(home)
    assert embedded.ensure_running(home) == second


def test_the_port_is_the_running_servers_whatever_a_killed_start_kept(home: Path) -> None:
    """A start is killed before its server has its pid file; the next finds the port taken, and keeps another."""
    first = embedded.ensure_running(home)
    (home / "postgres" / "port").write_text(f"{first.port + 1}\n")
    assert embedded.ensure_running(home) == embedded.status(home) == first
    assert query(embedded.ensure_running(home), "select 1") == [1]


def test_data_of_another_major_is_refused_with_words(home: Path) -> None:
    embedded.initialise(home)
    (home / "postgres" / "data" / "PG_VERSION").write_text("16\n")
    with pytest.raises(
        embedded.EmbeddedPostgresError, match="is of PostgreSQL 16, the installed server is 18"
    ) as refused:
        embedded.ensure_running(home)
    assert str(home) in str(refused.value)
    assert "Dump it" in refused.value.mend
    assert family(home) == []


def test_a_lost_password_file_is_told_and_not_replaced(home: Path) -> None:
    embedded.initialise(home)
    (home / "postgres" / "password").unlink()
    with pytest.raises(embedded.EmbeddedPostgresError, match=r"password or port is missing.*Restore it"):
        embedded.ensure_running(home)
    assert not (home / "postgres" / "password").exists()


def test_a_broken_configuration_is_told_in_the_servers_words(home: Path) -> None:
    embedded.initialise(home)
    with (home / "postgres" / "data" / "postgresql.conf").open("a") as configuration:
        configuration.write("no_such_setting = 1\n")
    with pytest.raises(embedded.EmbeddedPostgresError, match='unrecognized configuration parameter "no_such_setting"'):
        embedded.ensure_running(home)


def test_a_server_of_another_process_namespace_is_not_started_over(home: Path) -> None:
    embedded.initialise(home)
    folder = home / "postgres" / "socket"
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(folder / ".s.PGSQL.20000"))
        other.listen()
        with pytest.raises(embedded.EmbeddedPostgresError, match="in another container"):
            embedded.ensure_running(home)
    assert query(embedded.ensure_running(home), "select 1") == [1]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(embedded.EmbeddedPostgresError, match="cannot be used: Not a directory"):
        embedded.ensure_running(tmp_path / "file" / "home")
