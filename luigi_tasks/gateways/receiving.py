"""Receiving a body of known length straight to where it is to be, past the copies that urllib3 and http.client make.

A read with a time-out is two system calls for what has just arrived, and each gives the interpreter away and has to get
it back: about twenty times for a picture. Where the kernel keeps the time-out (gateways/patient_sockets.py) it is asked
to wait for half a megabyte instead, for no longer than LOOK_SECONDS, so that a deadline and a stop are looked at in
between. Elsewhere a host that drips would keep such a read for ever, and TLS has records of its own: both are read as
usual.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from collections.abc import Callable

from luigi_tasks.gateways.patient_sockets import PatientSocket

READ_BYTES = 1 << 18
WAIT_BYTES = 1 << 19
FEW_BYTES = 1 << 16
LOOK_SECONDS = 0.5


def receive(response: http.client.HTTPResponse, body: memoryview, time_left: Callable[[], float]) -> int:
    """How many bytes came; fewer than asked for: the host hung up.

    time_left: called after each read, seconds; raises when there is to be no other. Raises TimeoutError when nothing
    came for as long as the socket's own time-out, and OSError.
    """
    stream = response.fp
    assert isinstance(stream, io.BufferedReader), "what http.client makes of a socket"
    sock = getattr(stream.raw, "_sock", None)
    if isinstance(sock, PatientSocket) and sock.gettimeout():
        return _wait_for(stream, sock, body, time_left)
    return _read(stream, body, time_left)


def _read(stream: io.BufferedReader, body: memoryview, time_left: Callable[[], float]) -> int:
    position = 0
    while position < len(body):
        if not (got := stream.readinto1(body[position : position + READ_BYTES])):
            break
        time_left()
        position += got
    return position


def _wait_for(stream: io.BufferedReader, sock: PatientSocket, body: memoryview, time_left: Callable[[], float]) -> int:
    position = stream.readinto1(body[: len(stream.peek(1))])  # what came with the headers
    silence, heard = sock.gettimeout() or 0.0, time.monotonic()
    try:
        sock.settimeout(min(LOOK_SECONDS, silence, time_left()))
        while (left := len(body) - position) > 0:
            # Woken for so much at a time, which is sure to come as long as there is as much behind what is asked for.
            few = left <= FEW_BYTES
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1 if few else FEW_BYTES)
            size = left if few else min(WAIT_BYTES, left - FEW_BYTES)
            try:
                if not (got := sock.recv_into(body[position:], size, socket.MSG_WAITALL)):
                    break
            except TimeoutError:
                if time.monotonic() - heard >= silence:
                    raise TimeoutError from None
                time_left()
                continue
            position, heard = position + got, time.monotonic()
            time_left()
    finally:
        sock.settimeout(silence)
    return position
