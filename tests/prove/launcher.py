"""A process that has everything imported and starts others as forks of itself: python -m tests.prove.launcher MODULE.

Of the hundreds of processes of a campaign each would spend more on importing than on its work. What is forked is what
`python -m MODULE ARGUMENTS…` would have been: a session of its own, its own environment, output and crash points, no
settings read, no thread, no open file of anybody else's; what it ends with is told by the kernel. What would import
something else than before is not seen in a fork: `command` starts a program of its own, from the same place.

Requests come by standard input, a socket: {"arguments": […], "environ": {…}, "command": […] or null} with two open
files, for the output and for a socket that is told the process's id, then `stopped` each time and `ended CODE`, the
code as subprocess has it. The id is not given to another before that socket is closed. The end of requests is its end.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import luigi_tasks
from luigi_tasks.domain import faults

MOST_BYTES = 1 << 17
# What Python itself enters when it starts in the C locale (PEP 538).
COERCED = "LC_CTYPE"
STOPPED, ENDED = "stopped", "ended"
OURS = "luigi_tasks."
# pyarrow's allocator would start a thread when it is imported.
WITHOUT_THREADS = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
# What is imported when it is needed.
DRIVERS = ("psycopg2.extensions", "psycopg2.extras", "jinja2", "pygal", "pygal.style", "requests", "luigi.interface")


@dataclass(frozen=True)
class Request:
    """arguments: of the module; command: a program to become instead."""

    arguments: list[str]
    environ: dict[str, str]
    command: list[str] | None


def main() -> None:
    """Serve until there are no more requests; in a forked process, be what was asked for."""
    module = sys.argv[1]
    _import_all(module)
    _expect_nothing_to_inherit()
    gc.collect()
    gc.freeze()
    gc.disable()  # a process of a second has little to collect, and would copy most of what it shares to look
    request = _serve(socket.socket(fileno=0))
    if request is None:
        return
    _arm()
    sys.argv[:] = [module, *request.arguments]
    _end(sys.modules[module].main())


def _end(code: int) -> NoReturn:
    """End as the interpreter would, threads and what is registered for the exit first, as multiprocessing does it.

    Only that memory is not given back object by object: to do so is to copy most of what is shared with the launcher.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _import_all(module: str) -> None:
    own = (found.name for found in pkgutil.walk_packages(luigi_tasks.__path__, OURS))
    for name in (*DRIVERS, *own, module):
        importlib.import_module(name)


def _expect_nothing_to_inherit() -> None:
    """What is forked has one thread, and the three files that it gets anew. Raises RuntimeError for more."""
    threads, files = len(os.listdir("/proc/self/task")), list(Path("/proc/self/fd").iterdir())
    open_files = sorted(int(path.name) for path in files if path.exists())
    if threads > 1 or open_files[3:]:
        raise RuntimeError(f"{threads} threads and files {open_files} are open before the first fork")


def _serve(asked: socket.socket) -> Request | None:
    """None at the end of requests; in a process that was forked for a request, that request."""
    while True:
        body, (*files,), _, _ = socket.recv_fds(asked, MOST_BYTES, 2)
        if not body:
            return None
        _reap()
        said, told = files
        request = Request(**json.loads(body))
        if os.fork() == 0:
            asked.detach()
            return _watched(request, said, told)
        os.close(said)
        os.close(told)


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


def _watched(request: Request, said: int, told: int) -> Request:
    """Returns in the process that was asked for; its parent does nothing but say what becomes of it."""
    if pid := os.fork():
        with contextlib.suppress(BrokenPipeError), socket.socket(fileno=told) as listener:
            _tell(listener, pid)
        os._exit(0)
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for own, standard in ((nothing, 0), (said, 1), (said, 2)):
        os.dup2(own, standard)
    with socket.socket(fileno=told) as listener:
        listener.send(str(os.getpid()).encode())
    os.close(nothing)
    os.close(said)
    coerced = {name: value for name, value in os.environ.items() if name == COERCED}
    os.environ.clear()
    os.environ.update(coerced | request.environ)
    if request.command:
        for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(ignored, signal.SIG_DFL)
        os.execve(request.command[0], request.command, request.environ)
    return request


def _tell(listener: socket.socket, pid: int) -> None:
    awaited = os.WEXITED | os.WSTOPPED
    while (event := os.waitid(os.P_PID, pid, awaited | os.WNOWAIT)) and event.si_code == os.CLD_STOPPED:
        os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG)
        listener.send(STOPPED.encode())
    assert event, "only a wait that may not block is answered with nothing"
    code = event.si_status if event.si_code == os.CLD_EXITED else -event.si_status
    listener.send(f"{ENDED} {code}".encode())
    listener.recv(1)
    os.waitpid(pid, 0)


def _arm() -> None:
    """The crash points of this process; when their modules were imported the environment was another."""
    point = faults.armed(os.environ.get(faults.VARIABLE, ""))
    for module in [module for name, module in sys.modules.items() if name.startswith(OURS)]:
        if hasattr(module, "crash_point"):
            vars(module)["crash_point"] = point


if __name__ == "__main__":
    main()
