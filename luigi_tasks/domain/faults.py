"""Named points at which a test may make this process fail: DRAENEI_FAULT='publish.put.after:2:kill'.

That is name:n:action, and the action is taken when the point is passed for the n-th time, by this process:
kill (SIGKILL), term (SIGTERM), stop (SIGSTOP, until somebody sends SIGCONT), exception (InjectedFault).
Unset, which is always so outside of tests, a point is a call of a function that does nothing.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable

VARIABLE = "DRAENEI_FAULT"
SIGNALS = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "stop": signal.SIGSTOP}


class InjectedFault(RuntimeError):
    """What the action `exception` raises: an error that nobody foresaw."""


def _nothing(name: str) -> None:
    """Pass."""


def armed(fault: str) -> Callable[[str], None]:
    """The crash points of a process with this fault; '' arms none. Raises ValueError for what is no fault."""
    if not fault:
        return _nothing
    wanted, nth, action = fault.split(":")
    turn, passed = int(nth), itertools.count(1)
    if action not in {*SIGNALS, "exception"}:
        raise ValueError(f"{VARIABLE}: {action!r} is none of {', '.join(SIGNALS)}, exception")

    def point(name: str) -> None:
        if name != wanted or next(passed) != turn:
            return
        if action == "exception":
            raise InjectedFault(fault)
        os.kill(os.getpid(), SIGNALS[action])

    return point


crash_point = armed(os.environ.get(VARIABLE, ""))
