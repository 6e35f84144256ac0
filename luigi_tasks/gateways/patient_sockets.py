"""Connections without TLS whose time-outs the kernel keeps (Linux; elsewhere they are as usual).

Python keeps a time-out by asking before each read and write whether there is anything to do, and switches the socket's
mode whenever the time-out changes: each is a system call of its own that gives the interpreter away and has to get it
back from all the other threads. Of 22 such turns for a picture, counted with strace, ten are gone.
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from typing import TYPE_CHECKING

from urllib3.connection import HTTPConnection

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer


class PatientSocket(socket.socket):
    """For connections of http.client: what they use of a socket keeps the time-out as it always does."""

    _seconds: float | None = None

    def settimeout(self, seconds: float | None, /) -> None:
        """As socket.settimeout; for None and for what is above zero."""
        if seconds == self._seconds:
            return
        whole, rest = divmod(0 if seconds is None else max(seconds, 0.001), 1)
        for direction in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self.setsockopt(socket.SOL_SOCKET, direction, struct.pack("ll", int(whole), int(rest * 1e6)))
        self._seconds = seconds

    def gettimeout(self) -> float | None:
        """As socket.gettimeout."""
        return self._seconds

    def recv_into(self, buffer: WriteableBuffer, nbytes: int = 0, flags: int = 0) -> int:
        """As socket.recv_into. Raises TimeoutError."""
        try:
            return super().recv_into(buffer, nbytes, flags)
        except BlockingIOError:
            raise TimeoutError("timed out") from None

    def sendall(self, data: ReadableBuffer, flags: int = 0, /) -> None:
        """As socket.sendall: the time-out is for all of it. Raises TimeoutError."""
        begun, left = time.monotonic(), memoryview(data).cast("B")
        while left:
            if self._seconds is not None and time.monotonic() - begun > self._seconds:
                raise TimeoutError("timed out")
            try:
                left = left[self.send(left, flags) :]
            except BlockingIOError:
                raise TimeoutError("timed out") from None


class Patient(HTTPConnection):
    """For a plain connection, never one over TLS: that has records and a time-out of its own."""

    def _new_conn(self) -> socket.socket:
        return patient(super()._new_conn())


def patient(sock: socket.socket) -> socket.socket:
    """The same connection with the same time-out; `sock` itself is no longer to be used."""
    if sys.platform != "linux":
        return sock
    seconds = sock.gettimeout()
    sock.settimeout(None)
    same = PatientSocket(sock.family, sock.type, sock.proto, sock.detach())
    same.settimeout(seconds)
    return same
