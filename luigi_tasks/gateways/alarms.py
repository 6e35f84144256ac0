"""Hangs up a socket when its time is over: one thread for all of them, where a timer each would be a thread each."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import threading
import time
from collections.abc import Iterator

TICK_SECONDS = 0.05

_set: dict[int, tuple[float, socket.socket, threading.Event]] = {}
_numbers = itertools.count()
_changing = threading.Condition()
_watcher: list[threading.Thread] = []


@contextlib.contextmanager
def after(seconds: float, sock: socket.socket) -> Iterator[threading.Event]:
    """Unless the block ends before, shut the socket down after so many seconds; the event says that it was."""
    rang, number = threading.Event(), next(_numbers)
    with _changing:
        _set[number] = (time.monotonic() + seconds, sock, rang)
        if not (_watcher and _watcher[0].is_alive()):  # also in a forked child
            _watcher[:] = [threading.Thread(target=_watch, name="alarms", daemon=True)]
            _watcher[0].start()
        if len(_set) == 1:
            _changing.notify()
    try:
        yield rang
    finally:
        with _changing:
            _set.pop(number, None)


def _forget() -> None:
    """In a forked child: what was set is the parent's, whose connections it shares, and so may be the lock."""
    global _changing  # noqa: PLW0603 - a lock has no other way to be free again
    _set.clear()
    _changing = threading.Condition()


os.register_at_fork(after_in_child=_forget)


def _watch() -> None:
    while True:
        with _changing:
            _changing.wait_for(lambda: _set)
            due = [number for number, (moment, _, _) in _set.items() if moment <= time.monotonic()]
            for _, sock, rang in map(_set.pop, due):
                rang.set()
                with contextlib.suppress(OSError):  # closed already, which is what was wanted
                    sock.shutdown(socket.SHUT_RDWR)
        time.sleep(TICK_SECONDS)
