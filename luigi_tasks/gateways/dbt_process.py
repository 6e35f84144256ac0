"""The process in which dbt builds: kept for the next build, for half of a build's time is dbt's start.

What runs in it is gateways/dbt_child.py.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from luigi_tasks.gateways.dbt_child import die_with_parent

PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "PGSSLMODE", "PGSSLROOTCERT", "PGPASSFILE")
CHILD = Path(__file__).with_name("dbt_child.py")


class Child:
    """A process that has dbt imported and builds on request. It knows no password until a request brings one."""

    _shared: Child | None = None

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.exit_code = -1
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(CHILD)],
            env=environ(),
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - one system call, nothing that takes a lock
        )

    @classmethod
    def shared(cls) -> Child:
        """This process's child: the one that waits, or a new one."""
        kept = cls._shared
        if kept is not None and kept._process.poll() is not None:
            kept.close()
        if cls._shared is None or cls._shared.owner != os.getpid():
            cls._shared = cls()
        return cls._shared

    def invoke(self, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The events of one invocation; exit_code is right when they end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            event = _event(line)
            if "ended" in event:
                self.exit_code = event["ended"]
                return
            yield event
        self.exit_code = self._process.wait()

    def close(self) -> None:
        """End it, with the build that it may be at."""
        if self.owner != os.getpid():
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()
        if Child._shared is self:
            Child._shared = None


@contextlib.contextmanager
def kept_child() -> Iterator[Child]:
    """The child for one invocation; it ends with it where it cannot be kept, and when that fails."""
    # On Linux a child dies with the thread that started it: only the main thread's is one to keep.
    keep = threading.current_thread() is threading.main_thread()
    child = Child.shared() if keep else Child()
    try:
        yield child
    except BaseException:
        keep = False
        raise
    finally:
        if not keep:
            child.close()


@atexit.register
def _end_child() -> None:
    if Child._shared is not None:
        Child._shared.close()


def environ() -> dict[str, str]:
    """What dbt may know of this process's environment, and what is always said to it."""
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return passed_on | {
        "PGOPTIONS": "-c timezone=UTC -c client_connection_check_interval=1000",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
        "DBT_USE_COLORS": "false",
        "DBT_LOG_FILE_MAX_BYTES": str(10 << 20),
    }


def _event(line: str) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    return event if isinstance(event, dict) else {"info": {"level": "error", "msg": line.strip()}}
