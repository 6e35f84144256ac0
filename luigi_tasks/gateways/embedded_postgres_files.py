"""What the embedded PostgreSQL keeps on disk: its folder, address and password, and who holds its pid file.

Everything lies in `{home}/postgres` (0700): `data/`, `log/`, `socket/`, `lock`, and the small files `password`,
`dbt_password`, `port` and `socket_directory`, each replaced atomically, for clients read them at every connect.
"""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from luigi_tasks.domain.errors import PipelineError

LOCK_SECONDS = 300
KEPT_LOGS = 10


class EmbeddedPostgresError(PipelineError):
    """The embedded PostgreSQL cannot do what was asked; says what happened, where, and what to do next."""


@dataclass(frozen=True)
class Files:
    """The paths below one home."""

    root: Path

    @classmethod
    def below(cls, home: Path) -> Files:
        return cls(home.resolve() / "postgres")

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def unfinished_data(self) -> Path:
        return self.root / "data.new"

    @property
    def log(self) -> Path:
        return self.root / "log"

    @property
    def start_log(self) -> Path:
        return self.log / "start.log"

    @property
    def password(self) -> Path:
        return self.root / "password"

    @property
    def dbt_password(self) -> Path:
        return self.root / "dbt_password"

    @property
    def port(self) -> Path:
        return self.root / "port"

    @property
    def postmaster_pid(self) -> Path:
        return self.data / "postmaster.pid"

    @property
    def socket_directory(self) -> Path:
        """Where the Unix socket is: `socket/`, or the short folder remembered when that path is too long."""
        remembered = read(self.root / "socket_directory")
        return Path(remembered) if remembered else self.root / "socket"


@dataclass(frozen=True)
class Postmaster:
    """The living server process of a data folder, as its pid file tells."""

    pid: int
    port: str
    ready: bool


def read(path: Path) -> str | None:
    """The stripped text of a small file; None when there is no such file."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        raise EmbeddedPostgresError(
            "this user may not read the embedded PostgreSQL's files",
            where=str(path),
            mend="Run as the user who started it, or set DRAENEI_HOME to a folder of your own.",
        ) from error


def write(path: Path, text: str) -> None:
    """Replace a small file atomically and durably, readable by its owner only."""
    unfinished = path.with_name(path.name + ".new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    rename(unfinished, path)


def rename(source: Path, target: Path) -> None:
    """Rename so that the new name outlives a power cut."""
    source.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def locked(files: Files) -> Iterator[None]:
    """Hold the lock of starting, stopping and initialising; it ends with its holder, however that dies."""
    try:
        for folder in (files.root, files.log):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (files.root / "lock").open("a")
    except OSError as error:
        raise EmbeddedPostgresError(
            f"the embedded PostgreSQL's folder cannot be used: {error.strerror}",
            where=str(files.root),
            mend="Set DRAENEI_HOME to a folder that this user may write.",
        ) from error
    with lock:
        _acquire(lock, files)
        yield


def _acquire(lock: IO[str], files: Files) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"another process has been starting or stopping the server for {LOCK_SECONDS} s",
                    where=lock.name,
                    mend=f"See {files.start_log}, end that process and try again.",
                ) from error
        time.sleep(0.01)


def command_line(pid: int) -> str:
    """A process's arguments joined by blanks; empty for a zombie, a free pid and a hidden foreign process."""
    if not Path("/proc/self").exists():
        return listed(pid, "args=")
    return os.fsdecode(_proc(pid, "cmdline").replace(b"\0", b" ")).strip()


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not. (A command line will not tell: it is empty during an exec.)"""
    return _state(pid)[:1] not in {"", "Z", "X"}


def _state(pid: int) -> str:
    """The state letter, perhaps with more behind it; empty when nobody has this pid."""
    if not Path("/proc/self").exists():
        return listed(pid, "state=")
    return _proc(pid, "stat").rpartition(b")")[2].decode().strip()


def _proc(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""


def listed(pid: int, column: str) -> str:
    """What `ps` says of a process, where there is no /proc (macOS)."""
    command = ["/bin/ps", "-ww", "-o", column, "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def postmaster(files: Files) -> Postmaster | None:
    """The living postmaster of this very data folder; a pid that now belongs to anything else is none.

    Lines of postmaster.pid: pid, data folder, start time, port, socket folder, address, shared memory, status
    (src/include/utils/pidfile.h of PostgreSQL).
    """
    lines = (read(files.postmaster_pid) or "").splitlines()
    if not lines or not lines[0].isdecimal():
        return None
    program = f"{command_line(int(lines[0]))} ".partition(f" -D {files.data} ")
    if not program[1] or not program[0].endswith("/postgres"):
        return None
    port = lines[3].strip() if len(lines) > 3 else ""
    return Postmaster(int(lines[0]), port, ready=len(lines) > 7 and lines[7].strip() == "ready")


def clear_stale(files: Files) -> None:
    """Remove what makes PostgreSQL take a dead server for a living one; under the lock, with none running.

    It believes any pid in use, by a zombie too, in its pid file and the socket's lock file, and refuses an empty
    pid file. A pid file that names a free pid stays, to lead it to shared memory that orphans may hold. Raises
    when the socket is answered: by a server whose process we cannot see, in another container.
    """
    if postmaster(files) is not None:
        return
    for left in files.socket_directory.glob(".s.PGSQL.*"):
        if left.is_socket() and _is_answered(left):
            raise EmbeddedPostgresError(
                "a server in another container or process namespace already uses this data folder",
                where=str(left),
                mend="Stop it there, or set DRAENEI_HOME to another folder here.",
            )
    pid = (read(files.postmaster_pid) or "").partition("\n")[0]
    if not pid.isdecimal() or _state(int(pid)):
        files.postmaster_pid.unlink(missing_ok=True)
    for left in files.socket_directory.glob(".s.PGSQL.*"):
        left.unlink(missing_ok=True)


def _is_answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def prune_logs(files: Files) -> None:
    """Keep the newest server logs; their names sort by time and the server begins a new one every 5 MB."""
    for old in sorted(files.log.glob("postgres-*.log"))[:-KEPT_LOGS]:
        old.unlink(missing_ok=True)
