"""Alarms hang up what is late, and in a forked child nothing that is its parent's."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time

import pytest

from luigi_tasks.gateways import alarms


def test_what_is_late_is_hung_up_and_what_is_not_stays() -> None:
    one, other = socket.socketpair()
    with one, other:
        with alarms.after(30, one) as late:
            pass
        assert not late.is_set()
        one.sendall(b"there")
        assert other.recv(9) == b"there"
        with alarms.after(0.05, one) as late:
            assert other.recv(9) == b"", "the other end hears of it"
        assert late.is_set()


def forked() -> int:
    """A child that sets an alarm and ends when its parent's would have rung."""
    pid = os.fork()
    if pid == 0:
        own, _ = socket.socketpair()
        with alarms.after(30, own):
            time.sleep(0.6)
        os._exit(0)
    return pid


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # a fork beside threads is what it is about
def test_a_forked_child_leaves_its_parents_connections_alone() -> None:
    one, other = socket.socketpair()
    with one, other:
        with alarms.after(0.2, one) as late:
            pid = forked()
        assert not late.is_set()
        os.waitpid(pid, 0)
        one.sendall(b"still there")
        assert other.recv(99) == b"still there"


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_waits_for_no_thread_that_it_has_not() -> None:
    held, forked_is = threading.Event(), threading.Event()

    def hold() -> None:
        with alarms._changing:
            held.set()
            forked_is.wait(20)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(20)
    pid = forked()
    forked_is.set()
    holder.join()
    waited = time.monotonic() + 10
    while not (ended := os.waitpid(pid, os.WNOHANG) != (0, 0)) and time.monotonic() < waited:
        time.sleep(0.02)
    if not ended:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert ended
