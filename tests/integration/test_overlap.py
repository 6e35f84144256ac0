"""Two pipelines at once: exactly one runs, whatever befalls the other and its database backend."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from luigi_tasks.domain.errors import AlreadyRunning
from luigi_tasks.gateways import pipeline_lock
from tests.conftest import REPOSITORY, Warehouse
from tests.integration.core_fixtures import wait_until

# Holds the lock and, on the lock's own connection, has a statement run that a server would finish for a dead client.
BUSY_HOLDER = """
import sys
from luigi_tasks import settings
from luigi_tasks.gateways import pipeline_lock
held = pipeline_lock.take(settings.load(), "wallhaven")
print("held", flush=True)
with held.cursor() as cursor:
    cursor.execute("select pg_sleep(60)")
"""
TAKER = """
from luigi_tasks import settings
from luigi_tasks.domain.errors import AlreadyRunning
from luigi_tasks.gateways import pipeline_lock
try:
    held = pipeline_lock.take(settings.load(), "wallhaven")
    print("runs", flush=True)
except AlreadyRunning:
    print("turned away", flush=True)
input()
"""
BACKENDS = "select count(*) from pg_stat_activity where query like '%pg_sleep(60)%' and pid <> pg_backend_pid()"


def started(warehouse: Warehouse, program: str) -> subprocess.Popen[bytes]:
    """A process on the warehouse."""
    environ = {**os.environ, **warehouse.environ}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", program], cwd=REPOSITORY, env=environ, stdin=pipe, stdout=pipe)


@pytest.fixture
def holder(warehouse: Warehouse) -> Iterator[subprocess.Popen[bytes]]:
    with started(warehouse, BUSY_HOLDER) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert wait_until(lambda: warehouse.rows(BACKENDS) == [(1,)], 60)
        yield process
        process.kill()


def takes(warehouse: Warehouse) -> bool:
    """Whether the lock can be had now."""
    try:
        pipeline_lock.take(warehouse.settings(), "wallhaven").close()
    except AlreadyRunning:
        return False
    return True


def test_of_many_that_start_at_once_exactly_one_runs(warehouse: Warehouse) -> None:
    processes = [started(warehouse, TAKER) for _ in range(5)]
    words = [process.stdout.readline() for process in processes if process.stdout]
    for process in processes:
        process.communicate(b"\n")
    assert sorted(words) == [b"runs\n"] + [b"turned away\n"] * 4


def test_the_backend_of_a_killed_pipeline_does_not_live_on(
    warehouse: Warehouse, holder: subprocess.Popen[bytes]
) -> None:
    assert not takes(warehouse)
    holder.kill()
    holder.wait()
    killed = time.monotonic()
    assert wait_until(lambda: takes(warehouse), 20), "the server went on with a dead client's statement"
    assert time.monotonic() - killed < 20
    assert warehouse.rows(BACKENDS) == [(0,)]


def test_a_stopped_holder_keeps_the_lock(warehouse: Warehouse, holder: subprocess.Popen[bytes]) -> None:
    holder.send_signal(signal.SIGSTOP)
    assert not wait_until(lambda: takes(warehouse), 2.5), "two pipelines would run once it goes on"
    holder.send_signal(signal.SIGCONT)
    assert not takes(warehouse)


def test_the_lock_is_on_a_connection_of_its_own_that_notices_a_dead_client(warehouse: Warehouse) -> None:
    with closing(pipeline_lock.take(warehouse.settings(), "wallhaven")) as held, held.cursor() as cursor:
        cursor.execute("select setting, source from pg_settings where name = 'client_connection_check_interval'")
        assert cursor.fetchone() == ("1000", "client"), "asked for by us, for a server of one's own may not have it"
        own = held.info.backend_pid
        others = "select count(*) from pg_locks where locktype = 'advisory' and pid = %s"
        assert warehouse.rows(others, own) == [(1,)]
        assert "lock wallhaven" in held.info.dsn_parameters["application_name"]
