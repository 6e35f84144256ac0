"""The program of the child process in which dbt builds: dbt is imported once, every build is a fork of it.

Run as a file, not as a module of the package: it needs dbt and the standard library, nothing of the pipeline. It reads
requests from standard input, one JSON object a line: {"arguments": ["build", …], "environ": {…}, "folder": "…"}.
Events of dbt go to standard output as dbt writes them; {"ended": exit code} follows when a build's process is gone.
It ends when standard input does.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """A dbt that outlives a killed pipeline would build beside the next one."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def serve(invoke: Callable[[Sequence[str]], int]) -> None:
    """One request after another, each in a process of its own: dbt keeps state that outlives an invocation."""
    # Between two builds nothing of it is collected or copied: its memory is shared with every fork.
    gc.collect()
    gc.freeze()
    while line := sys.stdin.readline():
        request = json.loads(line)
        own = os.getpid()
        child = os.fork()
        if child == 0:
            sys.exit(_build(request, invoke, own))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(json.dumps({"ended": os.waitstatus_to_exitcode(status)}) + "\n")
        sys.stdout.flush()


def _build(request: dict[str, Any], invoke: Callable[[Sequence[str]], int], parent: int) -> int:
    die_with_parent()
    if os.getppid() != parent:
        return 1
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(request["environ"])
    os.chdir(request["folder"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        return invoke(request["arguments"])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def run_dbt(arguments: Sequence[str]) -> int:
    """What the program `dbt` does with these arguments; returns its exit code."""
    from dbt.cli.main import cli

    try:
        cli.main(list(arguments), prog_name="dbt")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for name in ("dbt.cli.main", "dbt.adapters.postgres"):
        importlib.import_module(name)
    serve(run_dbt)
