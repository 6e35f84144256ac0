"""What http.client uses of a socket keeps the time-out, although the kernel does it."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from luigi_tasks.gateways.patient_sockets import PatientSocket, patient

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere sockets stay as they are")
LARGE = bytes(32 << 20)  # more than two ends of a connection hold


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connection over TCP: ours, with a time-out of 0.2 s, and theirs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        plain = socket.create_connection(listener.getsockname(), timeout=0.2)
        with patient(plain) as ours, listener.accept()[0] as theirs:
            yield ours, theirs


def test_it_is_the_same_connection_with_the_same_time_out(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    assert isinstance(ours, PatientSocket)
    assert (ours.gettimeout(), ours.getpeername()) == (0.2, theirs.getsockname())
    ours.sendall(memoryview(b"word"))
    assert theirs.recv(9) == b"word"


@pytest.mark.parametrize("seconds", [0.2, 0.4])
def test_a_read_is_given_up_when_nothing_comes(ends: tuple[socket.socket, socket.socket], seconds: float) -> None:
    ours, _ = ends
    ours.settimeout(seconds)
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        ours.recv_into(bytearray(9))
    assert seconds <= time.monotonic() - begun < seconds + 5


def test_a_body_that_nobody_takes_is_given_up(ends: tuple[socket.socket, socket.socket]) -> None:
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        ends[0].sendall(LARGE)
    assert 0.2 <= time.monotonic() - begun < 5


def test_a_body_that_is_taken_in_sips_is_given_up_as_a_whole(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    over = threading.Event()

    def sip() -> None:
        while not over.wait(0.05):
            theirs.recv(1 << 17)

    sipping = threading.Thread(target=sip)
    sipping.start()
    begun = time.monotonic()
    try:
        with pytest.raises(TimeoutError):
            ours.sendall(LARGE)
        assert time.monotonic() - begun < 10, "32 MiB in sips of an eighth of one take longer"
    finally:
        over.set()
        sipping.join()


def test_a_body_that_is_taken_arrives_whole(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    ours.settimeout(20)
    got = bytearray()

    def take() -> None:
        while part := theirs.recv(1 << 20):
            got.extend(part)

    taking = threading.Thread(target=take)
    taking.start()
    ours.sendall(memoryview(LARGE))
    ours.shutdown(socket.SHUT_WR)
    taking.join()
    assert len(got) == len(LARGE)
