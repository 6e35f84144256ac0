"""The campaign's side of tests/prove/launcher.py: processes that are asked for, and what becomes of them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import IO

from tests.prove.launcher import ENDED, MOST_BYTES, STOPPED, WITHOUT_THREADS

REPOSITORY = Path(__file__).parents[2]
GONE = "the launcher has ended before the process that was asked of it; it said why on stderr"


class Launcher:
    """One process that forks others. Use as a context manager; not shared between threads.

    module: what the forks run, environ: what importing it may see; both as of the processes that are started.
    cores: those that they may use, all that there are when none is given.
    """

    def __init__(self, module: str, environ: Mapping[str, str], cores: Collection[int] = ()) -> None:
        self._asked, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", "tests.prove.launcher", module]
            own = {**environ, **WITHOUT_THREADS}
            self._process = subprocess.Popen(command, cwd=REPOSITORY, env=own, stdin=theirs.fileno())
        if cores:
            os.sched_setaffinity(self._process.pid, cores)

    def __enter__(self) -> Launcher:
        return self

    def __exit__(self, *_: object) -> None:
        self._asked.close()
        self._process.wait()

    def start(
        self, arguments: Sequence[str], environ: Mapping[str, str], said: IO[str], command: Sequence[str] | None = None
    ) -> Launched:
        """A process in a session of its own: a fork that runs the module with these arguments, or a new program.

        Raises RuntimeError when the launcher itself has ended.
        """
        request = {"arguments": arguments, "environ": environ, "command": command}
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                socket.send_fds(self._asked, [json.dumps(request).encode()], [said.fileno(), theirs.fileno()])
            except OSError as problem:
                ours.close()
                raise RuntimeError(GONE) from problem
        return Launched(ours)


class Launched:
    """A process that a launcher has started. pid: its id and its group's; returncode: as of subprocess, once heard."""

    def __init__(self, told: socket.socket) -> None:
        self._told = told
        self.returncode: int | None = None
        self.pid = int(self._hear(None))

    def poll(self) -> int | None:
        """Its exit code, None while it has not ended."""
        while self.returncode is None and self._hear(0):
            pass
        return self.returncode

    def wait(self, seconds: float | None = None) -> int:
        """Its exit code. Raises TimeoutError."""
        until = None if seconds is None else time.monotonic() + seconds
        while self.returncode is None:
            if not self._hear(until and until - time.monotonic()):
                raise TimeoutError(f"process {self.pid} has not ended in {seconds} s")
        return self.returncode

    def wait_until_stopped(self, seconds: float) -> bool:
        """True once it is stopped, False when it ends instead, or neither in time."""
        until = time.monotonic() + seconds
        return self.returncode is None and self._hear(until - time.monotonic()) == STOPPED

    def send_signal(self, number: int) -> None:
        """To it alone; to nobody once it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """kill -9 of its group."""
        if self.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)

    def _hear(self, seconds: float | None) -> str:
        """The next that is told, '' when nothing is in time. Raises RuntimeError when nobody is left to tell."""
        self._told.settimeout(seconds if seconds is None else max(seconds, 0))
        try:
            word, _, code = self._told.recv(MOST_BYTES).decode().partition(" ")
        except (TimeoutError, BlockingIOError):
            return ""
        if not word or word == ENDED:
            self._told.close()
        if not word:
            raise RuntimeError(GONE)
        if word == ENDED:
            self.returncode = int(code)
        return word
