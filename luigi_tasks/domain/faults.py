"""Named points at which a test may make this process fail: DRAENEI_FAULT='publish.put.after:2:kill'.

That is name:n:action, and the action is taken when the point is passed for the n-th time, by this process:
kill (SIGKILL), term (SIGTERM), stop (SIGSTOP, until somebody sends SIGCONT), exception (InjectedFault).
A point stands before and after each external effect: step.effect.before, step.effect.after. When one strikes, the
process says so on its standard error; DRAENEI_FAULT=trace only says which points are passed.
Unset, which is always so outside of tests, a point is a call of a function that does nothing.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable

VARIABLE = "DRAENEI_FAULT"
TRACE = "trace"
SIGNALS = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "stop": signal.SIGSTOP}
EFFECTS = {
    "fetch": ("budget", "request", "block", "evidence", "put", "page"),
    "crawl": ("certificate",),
    "sweep": ("enter",),
    "load": ("batch", "copy", "quarantine", "enter", "commit"),
    "clean": ("put",),
    "details": ("obtain",),
    "model": ("begin", "role", "dbt", "ledger"),
    "profile": ("rename",),
    "freeze": ("manifest",),
    "publish": (
        *("probe", "claim", "heartbeat", "download", "verify", "intent", "put", "lock", "replace", "readback"),
        *("register", "giveback", "release"),
    ),
    "derive": ("put", "enter", "pass"),
    "archive": ("put", "enter"),
    "folder": ("sidecar", "object", "remove"),
    "report": ("draw", "rename"),
    "notify": ("ping", "send"),
    "run": ("lock", "open", "enter", "error", "settle", "unlock"),
    "step": ("enter",),
    "replay": ("run", "page", "commit"),
    "adopt": ("restore", "register"),
    "redrive": ("copy", "close", "commit"),
    "retry": ("reopen",),
    "repair": ("note", "copy", "remove", "restore", "lose"),
    "erase": ("enter", "put", "page", "remove", "finish"),
    "takedown": ("bury", "remove"),
    "migrate": ("apply", "commit"),
    "postgres": ("initdb", "rename", "launch", "stop"),
}
POINTS = frozenset(
    f"{step}.{effect}.{when}" for step, effects in EFFECTS.items() for effect in effects for when in ("before", "after")
)


class InjectedFault(RuntimeError):
    """What the action `exception` raises: an error that nobody foresaw."""


def _nothing(name: str) -> None:
    """Pass."""


def _say(name: str) -> None:
    os.write(2, f"{VARIABLE} {name}\n".encode())


def armed(fault: str) -> Callable[[str], None]:
    """The crash points of a process with this fault; '' arms none. Raises ValueError for what is no fault."""
    if not fault:
        return _nothing
    if fault == TRACE:
        return _say
    wanted, nth, action = fault.split(":")
    turn, passed = int(nth), itertools.count(1)
    if wanted not in POINTS:
        raise ValueError(f"{VARIABLE}: {wanted!r} is no crash point")
    if action not in {*SIGNALS, "exception"}:
        raise ValueError(f"{VARIABLE}: {action!r} is none of {', '.join(SIGNALS)}, exception")

    def point(name: str) -> None:
        if name != wanted or next(passed) != turn:
            return
        _say(fault)
        if action == "exception":
            raise InjectedFault(fault)
        os.kill(os.getpid(), SIGNALS[action])

    return point


crash_point = armed(os.environ.get(VARIABLE, ""))
