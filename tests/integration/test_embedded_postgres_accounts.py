"""The embedded PostgreSQL under every user it may have to run as, in homes with any name."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from luigi_tasks.gateways import embedded_postgres as embedded
from luigi_tasks.gateways import embedded_postgres_programs as programs
from tests.integration.embedded_postgres_probes import (
    pid_of,
    query,
    start_elsewhere,
)


@pytest.fixture
def open_home() -> Iterator[Path]:
    """A home below a folder that every user may enter, which pytest's own temporary folders forbid."""
    folder = Path(tempfile.mkdtemp(prefix="draenei-test-"))
    folder.chmod(0o755)
    yield folder / "home"
    embedded.stop(folder / "home")
    shutil.rmtree(folder)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def test_an_odd_home_is_quoted_rightly(open_home: Path) -> None:
    home = open_home / 'a, "b" $c é'
    try:
        server = embedded.ensure_running(home)
        assert server.socket_directory == home / "postgres" / "socket"
        assert embedded.ensure_running(home) == server
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            query(server, "select 1", password="wrong")
    finally:
        embedded.stop(home)


@needs_root
def test_an_ordinary_user_starts_it_and_root_leaves_it_theirs(open_home: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    open_home.mkdir()
    os.chown(open_home, nobody.pw_uid, nobody.pw_gid)
    reach = ["/bin/sh", "-c", f"test -x '{programs.program('postgres')}'"]
    if subprocess.run(reach, check=False, user="nobody", extra_groups=[]).returncode != 0:
        pytest.skip("user nobody cannot reach the PostgreSQL binaries of this environment")
    started = start_elsewhere(open_home, nobody.pw_uid)
    assert (started.returncode, started.stderr) == (0, "")
    assert query(embedded.ensure_running(open_home), "select 1") == [1]
    assert Path(f"/proc/{pid_of(open_home)}").stat().st_uid == nobody.pw_uid
    assert embedded.stop(open_home) is True
    embedded.ensure_running(open_home)
    assert Path(f"/proc/{pid_of(open_home)}").stat().st_uid == nobody.pw_uid
    assert embedded.stop(open_home) is True
    assert start_elsewhere(open_home, nobody.pw_uid).returncode == 0


@needs_root
def test_root_without_user_namespaces_runs_it_as_nobody(open_home: Path) -> None:
    without_unshare = {"env": os.environ | {"PATH": "/nonexistent"}}
    embedded.initialise(open_home)
    started = start_elsewhere(open_home, **without_unshare)
    assert (started.returncode, started.stderr) == (0, "")
    server = embedded.ensure_running(open_home)
    assert query(server, "select 1", str(server.socket_directory)) == [1]
    assert Path(f"/proc/{pid_of(open_home)}").stat().st_uid == pwd.getpwnam("nobody").pw_uid


@needs_root
def test_root_is_told_when_nobody_cannot_reach_the_home(open_home: Path) -> None:
    open_home.parent.chmod(0o700)
    refused = start_elsewhere(open_home, env=os.environ | {"PATH": "/nonexistent"})
    assert refused.returncode == 1
    assert "cannot reach its files" in refused.stderr
    assert "Run as an ordinary user" in refused.stderr
