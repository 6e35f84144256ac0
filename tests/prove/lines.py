"""A kill at the k-th line of luigi_tasks that a process executes, whatever stands there: PROVE_LINE=k. 0 only counts.

Lines of all threads count, in the order in which they come: the same k is not always the same line, and need not be.

Replay and redrive are swept without the build that ends them, seconds of dbt for each k: their kills show in the tables
that they write themselves, and tests/integration/test_every_source.py builds once after both, for every source.
"""

from __future__ import annotations

import atexit
import itertools
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

VARIABLE = "PROVE_LINE"
SAID = "PROVE_LINES"
PACKAGE = str(Path(__file__).parents[2] / "luigi_tasks") + os.sep


def arm() -> None:
    """Trace this process and the threads that it starts, if the environment says so."""
    if VARIABLE not in os.environ:
        return
    fatal, executed = int(os.environ[VARIABLE]), itertools.count(1)
    atexit.register(lambda: os.write(2, f"{SAID} {next(executed) - 1}\n".encode()))

    def line(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line" and next(executed) == fatal:
            place = f"{frame.f_code.co_filename.removeprefix(PACKAGE)}:{frame.f_lineno}"
            os.write(2, f"{VARIABLE} {fatal} {place}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)
        return line

    def call(frame: FrameType, event: str, _: Any) -> Any:
        return line if frame.f_code.co_filename.startswith(PACKAGE) else None

    threading.settrace(call)
    sys.settrace(call)
