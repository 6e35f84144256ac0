"""A PUT and its answer on a connection of urllib3's, past the objects that urllib3 and http.client make for them.

They take 0.2 ms of CPU time for each put, and 0.6 where bodies of megabytes have emptied the processor's caches of that
code and its data, all of it with the interpreter held. Connections, certificates and the pool stay urllib3's; only an
answer of 200 without a body is read here, and http.client reads whatever else comes.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import re
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING

from urllib3 import HTTPConnectionPool

from luigi_tasks.domain.publishing import Body
from luigi_tasks.gateways.patient_sockets import PatientSocket

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

HEAD_BYTES = 1 << 14
# RFC 9112, sections 4 and 5, without the obsolete folding of lines; names are tokens (RFC 9110, section 5.6.2).
_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_LINE = re.compile(rf"{_NAME}: ?[^\r\n\0]*", re.ASCII)
_ANSWER = re.compile(rf"HTTP/1\.1 200(?: [^\r\n\0]*)?\r\n(?:{_NAME}:[^\r\n\0]*\r\n)*\r\n".encode())
_FRAMING = re.compile(rb"(?i)\n(content-length|transfer-encoding|connection):[ \t]*([^\r\n]*)")
_USUAL = ([(b"content-length", b"0")], [(b"connection", b"keep-alive"), (b"content-length", b"0")])


def put(pool: HTTPConnectionPool, target: str, body: Body, headers: Mapping[str, str]) -> tuple[int, bytes]:
    """Status and content. headers: all there are to be, with Host and Content-Length; target: as it is sent.

    Raises what urllib3's connect raises, TimeoutError for an answer that does not come, OSError and HTTPException for a
    connection that is lost; ValueError for a header that would end early.
    """
    head = _head(target, headers)
    connection = pool._get_conn()  # urllib3's own way in and out, without the request between
    try:
        if connection.is_closed:
            connection.connect()
        sock = connection.sock  # type: ignore[attr-defined]  # of every connection that is open
        is_whole = _sent(sock, head, body)
        status, content, stays_open = _answer(sock)
        if not (is_whole and stays_open):
            connection.close()
    except BaseException:
        connection.close()
        raise
    finally:
        pool._put_conn(connection)
    return status, content


def _head(target: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"{name}: {value}" for name, value in headers.items()]
    if not (all(map(_LINE.fullmatch, lines)) and target.isascii() and target.isprintable() and " " not in target):
        raise ValueError("a header or an address would not be one line")
    return "\r\n".join((f"PUT {target} HTTP/1.1", *lines, "\r\n")).encode("latin-1")


def _sent(sock: socket.socket, head: bytes, body: Body) -> bool:
    """False when the store took no more of it: it may have answered already."""
    sent = 0
    try:
        if isinstance(sock, PatientSocket):
            with contextlib.suppress(BlockingIOError):  # its time-out; sendall has its own
                sent = sock.sendmsg((head, body))
        sock.sendall(head[sent:])
        sock.sendall(memoryview(body)[max(0, sent - len(head)) :])
    except (BrokenPipeError, ConnectionResetError):
        return False
    except TimeoutError as late:
        raise OSError("the body was not taken in time") from late
    return True


def _answer(sock: socket.socket) -> tuple[int, bytes, bool]:
    """Status, content, and whether the connection may be used again."""
    buffer = bytearray(HEAD_BYTES)
    first = bytes(buffer[: sock.recv_into(buffer)])
    if (
        _ANSWER.fullmatch(first)
        and sorted((name.lower(), of.lower()) for name, of in _FRAMING.findall(first)) in _USUAL
    ):
        return 200, b"", True
    with contextlib.closing(http.client.HTTPResponse(_Begun(sock, first), method="PUT")) as response:  # type: ignore[arg-type]
        response.begin()
        return response.status, response.read(), not response.will_close


class _Begun:
    """A socket, to http.client, of which something was read before."""

    def __init__(self, sock: socket.socket, first: bytes) -> None:
        self._rest = _Rest(sock, first)

    def makefile(self, mode: str) -> io.BufferedReader:
        """As socket.makefile for reading."""
        return io.BufferedReader(self._rest)


class _Rest(io.RawIOBase):
    def __init__(self, sock: socket.socket, first: bytes) -> None:
        self._sock, self._first, self._is_over = sock, first, not first

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        if self._is_over:
            return 0
        if not self._first:
            return self._sock.recv_into(buffer)
        into = memoryview(buffer).cast("B")
        piece, self._first = self._first[: len(into)], self._first[len(into) :]
        into[: len(piece)] = piece
        return len(piece)
