"""Bytes onto the socket: an answer delivered whole, or in one of the ways connections fail."""

from __future__ import annotations

import itertools
import socket
import struct
import threading
from http import HTTPStatus

from twin.faults import Fault
from twin.messages import Response

CLOSING = frozenset({"truncate", "truncate_silent", "wrong_length", "drip", "reset"})
"""Kinds of faults after which the connection is over."""


def deliver(
    connection: socket.socket, answer: Response, fault: Fault | None, stopping: threading.Event, *, body: bool = True
) -> bool:
    """Send `answer` as `fault` has it and tell whether the connection may be used again.

    body: False sends the head alone (HEAD). stopping: ends every wait. Raises OSError when the client has left.
    """
    kind = fault.kind if fault else ""
    if fault and kind == "slow":
        stopping.wait(fault.seconds)
    if not body or answer.status in (204, 304):
        connection.sendall(_head(answer, len(answer.body), close=False))
    elif fault and kind in CLOSING:
        _fail(connection, answer, fault, stopping)
    else:
        connection.sendall(_head(answer, len(answer.body), close=False) + answer.body)
    return kind not in CLOSING


def _fail(connection: socket.socket, answer: Response, fault: Fault, stopping: threading.Event) -> None:
    half = len(answer.body) // 2
    match fault.kind:
        case "truncate":
            connection.sendall(_head(answer, len(answer.body), close=True) + answer.body[:half])
        case "truncate_silent":
            connection.sendall(_head(answer, None, close=True) + answer.body[:half])
        case "wrong_length":
            connection.sendall(_head(answer, half, close=True) + answer.body)
        case "reset":
            # Linger of zero seconds: closing drops the connection with RST instead of FIN.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        case "drip":
            connection.sendall(_head(answer, None, close=True))
            for byte in itertools.cycle(answer.body or b" "):
                connection.sendall(bytes((byte,)))
                if stopping.wait(fault.seconds):
                    return


def _head(answer: Response, length: int | None, *, close: bool) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} {_phrase(answer.status)}", f"content-type: {answer.content_type}"]
    lines += [f"{name}: {value}" for name, value in answer.headers]
    if length is not None:
        lines.append(f"content-length: {length}")
    lines.append(f"connection: {'close' if close else 'keep-alive'}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in {member.value for member in HTTPStatus} else "Unknown"
