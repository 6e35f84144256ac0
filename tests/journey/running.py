"""The product as a user has it: `luigi` as a child process with a clean environment, against a twin."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

import psycopg2

from twin import Twin

T = TypeVar("T")
Connect = Callable[[], psycopg2.extensions.connection]

REPOSITORY = Path(__file__).parents[2]
RUN = "2026-11-21T07:00"
PATIENCE = 90.0  # seconds; a stage takes two or three on a machine that does nothing else


def wait_until(ask: Callable[[], T], what: str, seconds: float = PATIENCE) -> T:
    """Ask until the answer is true, fifty times a second; returns it."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}"
        time.sleep(0.02)
    return answer


class Child:
    """A child process in a process group of its own, its output in files."""

    def __init__(self, command: Sequence[str], environ: dict[str, str], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        number = len(list(folder.iterdir()))
        self.command = list(command)
        self._out, self._err = folder / f"{number:03}.out", folder / f"{number:03}.err"
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = subprocess.Popen(
                self.command,
                cwd=REPOSITORY,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process id, which is its group's too."""
        return self.process.pid

    def runs(self) -> bool:
        """True until it has ended."""
        return self.process.poll() is None

    def ended(self, seconds: float = 2 * PATIENCE) -> subprocess.CompletedProcess[str]:
        """Wait for its end: exit code and what it said."""
        code = self.process.wait(seconds)
        return subprocess.CompletedProcess(self.command, code, self._out.read_text(), self._err.read_text())

    def kill(self) -> None:
        """kill -9 of the whole group."""
        if self.runs():
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)

    def terminate(self) -> None:
        """SIGTERM to the luigi process alone, as a supervisor sends it, and wait for its end."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE / 2)


class Pipeline:
    """One home, one database, one twin, and the commands a user types there."""

    def __init__(self, twin: Twin, home: Path, warehouse: dict[str, str], connect: Connect) -> None:
        self.twin, self.home, self.connect = twin, home, connect
        self._children: list[Child] = []
        # A luigid that happens to run on this machine is none of ours: port 1 answers nobody.
        home.parent.mkdir(parents=True, exist_ok=True)
        own_config = home.parent / "luigi.cfg"
        own_config.write_text("[core]\nscheduler_port = 1\n")
        self.environ = {
            "DRAENEI_PROGRESS": "none",  # else a slow machine has lines where a fast one has none
            "PATH": os.defpath,
            "HOME": str(home / "user"),
            "DRAENEI_HOME": str(home),
            "LUIGI_CONFIG_PATH": str(own_config),
            "WALLHAVEN_API_URL": twin.api_url,
            "WALLHAVEN_IMAGE_HOSTS": twin.image_host,
            "WALLHAVEN_RATE_PER_MINUTE": "60000",
            **warehouse,
        }

    def run(self, *command: str, **environ: str) -> Child:
        """Start a program of the virtual environment; settings in capitals as keyword arguments."""
        program = str(Path(sys.executable).with_name(command[0]))
        given = {name: value for name, value in {**self.environ, **environ}.items() if value}
        child = Child([program, *command[1:]], given, self.home.parent / "said")
        self._children.append(child)
        return child

    def start(self, run_id: str = RUN, *words: str, **environ: str) -> Child:
        """Start Collect."""
        return self.run("luigi", "--module", "luigi_tasks", "Collect", "--run-id", run_id, *words, **environ)

    def collect(self, run_id: str = RUN, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Collect, to its end."""
        return self.start(run_id, *words, **environ).ended()

    def verb(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """A helper verb, to its end."""
        return self.run("python", "-m", "luigi_tasks", *words, **environ).ended()

    def close(self) -> None:
        """End what a failed test left running."""
        for child in self._children:
            child.kill()

    def rows(self, sql: str, *arguments: object) -> list[tuple]:
        """What a query gives, in a transaction of its own."""
        with closing(self.connect()) as connection, connection, connection.cursor() as cursor:
            cursor.execute(sql, arguments or None)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def kept_out_of(self, table: str) -> Iterator[Callable[[], bool]]:
        """Keep every writer out of a table; gives a question: is somebody waiting at its door?"""
        with self.holding(f"lock table {table} in share mode") as somebody_waits:
            yield somebody_waits

    @contextmanager
    def holding(self, statement: str, *arguments: object) -> Iterator[Callable[[], bool]]:
        """Execute a statement and keep its transaction open, then roll it back; gives: does somebody wait for it?"""
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(statement, arguments or None)
            holder = connection.info.backend_pid
            yield lambda: self.waits_for(holder)
            connection.rollback()

    def waits_for(self, holder: int) -> bool:
        """Does a backend wait for what another one holds?"""
        return bool(self.rows("select pid from pg_stat_activity where %s = any(pg_blocking_pids(pid))", holder))

    def value(self, sql: str, *arguments: object) -> object:
        """The one value that a query gives."""
        ((found,),) = self.rows(sql, *arguments)
        return found

    def count(self, table: str, where: str = "true") -> int:
        """Rows of a table, 0 while it does not exist."""
        if self.value("select to_regclass(%s)", table) is None:
            return 0
        found = self.value(f"select count(*) from {table} where {where}")
        assert isinstance(found, int)
        return found

    def audit(self, run_id: str = RUN) -> dict[str, object]:
        """The run's row of run_audit."""
        ((row,),) = self.rows(
            "select to_jsonb(a) from draenei_content.run_audit as a where run_id = %s",
            run_id,
        )
        assert isinstance(row, dict)
        return row

    def has_step(self, step: str) -> bool:
        """True when a step of any run is complete."""
        return self.count("ops.steps", f"step = '{step}'") > 0

    def objects(self, prefix: str = "wallpapers") -> dict[str, tuple[int, int, str]]:
        """Objects of the folder store by key: inode, time of change in ns, SHA-256."""
        root = self.home / "objects"
        return {
            path.relative_to(root).as_posix(): (
                path.stat().st_ino,
                path.stat().st_mtime_ns,
                hashlib.sha256(path.read_bytes()).hexdigest(),
            )
            for path in sorted((root / prefix).rglob("*"))
            if path.is_file()
        }

    def whole(self) -> None:
        """Every wallpaper of the twin is stored once, its bytes are the twin's, and every ledger agrees."""
        published = {f"wallpapers/{one.id}": one for one in self.twin.catalogue.snapshot()[1]}
        objects = {key.rpartition(".")[0]: facts[2] for key, facts in self.objects().items()}
        assert objects == {key: hashlib.sha256(one.picture.body() or b"").hexdigest() for key, one in published.items()}
        stored = self.rows("select wallhaven_id, sha256 from ops.uploads where outcome = 'stored'")
        assert sorted(stored) == sorted((key.rpartition("/")[2], sha256) for key, sha256 in objects.items())
        modelled = self.rows("select wallhaven_id, sha256, upload_status from draenei_content.wallpapers")
        assert sorted(modelled) == sorted((name, sha256, "stored") for name, sha256 in stored)
        assert self.count("ops.upload_intents") == 0
        assert self.count("draenei_content.pending_uploads") == 0
        assert self.count("ops.runs", "state = 'running'") == 0
