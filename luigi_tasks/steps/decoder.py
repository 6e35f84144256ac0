"""The process in which a picture of unknown intent is decoded: python -m luigi_tasks.steps.decoder, a child
of Publish and of Derive.

It talks over the socket that is its standard input, in turns: `ready`; a head (bytes of the body, its type, bytes of
the order), the body and the order; what the header says; `G` once there is memory for the pixels; what became of them,
and the parts that were ordered, if any (steps/orders.py). Its standard output is the lifeline: a pipe whose other end
the parent holds, and that nobody writes to. It holds no secret, opens no file or connection once it is ready, writes
none, and is given the CPU time and memory of one picture at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import resource
import select
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Imported by Pillow in the midst of a picture otherwise, when no file can be opened any more.
from PIL import JpegImagePlugin, MpoImagePlugin, PngImagePlugin, TiffImagePlugin  # noqa: F401

from luigi_tasks.steps import orders
from luigi_tasks.steps.decoding import DECODER_ERRORS, JPEG, PNG, decode_whole, decoded_bytes, open_picture
from luigi_tasks.steps.flow import give_back_freed_memory

HEAD = struct.Struct(">QBI")
LIFELINE = 1
TYPES = (JPEG, PNG)
# Pillow's 4 bytes, and libjpeg's 2 for each of up to 4 coefficients of a picture in several scans.
BYTES_PER_PIXEL = 12
# The body as it came, as a file in memory, and the one chunk of it that may be all of it.
COPIES_OF_THE_BODY = 3
SLACK_BYTES = 64 << 20
# Most bodies are smaller: memory that is fresh for each of their copies costs a tenth of a decode's CPU time.
KEPT_BODY_BYTES = 4 << 20


class Allowance:
    """What one picture may take; set anew for each, never above what the arguments of the process allow.

    extra: bytes a pixel for what is made of it, beyond its decode.
    """

    def __init__(self, max_pixels: int, max_bytes: int, cpu_seconds: int, extra: int = 0) -> None:
        self.max_pixels, self.cpu_seconds, self.extra = max_pixels, cpu_seconds, extra
        self._base = _address_space()
        self._hard = self._base + _room(max_bytes, max_pixels, extra)
        _limit_memory(self._hard, self._hard)
        for what in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
            resource.setrlimit(what, (0, 0))

    def renew(self, body_bytes: int, pixels: int) -> None:
        """Memory for so much, and CPU time from now on."""
        _limit_memory(min(self._hard, self._base + _room(body_bytes, pixels, self.extra)), self._hard)
        used = resource.getrusage(resource.RUSAGE_SELF)
        seconds = int(used.ru_utime + used.ru_stime) + 1 + self.cpu_seconds
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _room(body_bytes: int, pixels: int, extra: int) -> int:
    return COPIES_OF_THE_BODY * body_bytes + (BYTES_PER_PIXEL + extra) * pixels + SLACK_BYTES


def _address_space() -> int:
    if sys.platform != "linux":
        return 0
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _limit_memory(soft: int, hard: int) -> None:
    if sys.platform == "linux":  # macOS refuses the limit, and would not hold to it
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def main() -> None:
    """Serve until the parent hangs up. Arguments: MAX_PIXELS MAX_BYTES CPU_SECONDS [EXTRA], for each picture."""
    connection = socket.socket(fileno=0)
    give_back_freed_memory(KEPT_BODY_BYTES)
    allowance = Allowance(*(int(argument) for argument in sys.argv[1:5]))
    _say(connection, ready=os.getpid())
    with contextlib.suppress(ConnectionError):
        while head := _read(connection, HEAD.size):
            length, kind, ordered = HEAD.unpack(head)
            allowance.renew(length, 0)
            body, order = _read(connection, length), _read(connection, ordered)
            words, parts = _decode(connection, allowance, body, TYPES[kind], order)
            _say(connection, **words)
            while parts:
                connection.sendall(parts.pop(0))
            del body, order  # the next picture is allowed its own memory, not this one's as well


def _decode(
    connection: socket.socket, allowance: Allowance, body: bytearray, file_type: str, order: bytearray
) -> tuple[dict[str, Any], list[bytes]]:
    try:
        with open_picture(body, file_type) as picture:
            width, height = picture.size
            if width * height > allowance.max_pixels:
                return {"too_many_pixels": width * height}, []
            _say(
                connection, width=width, height=height, bytes=decoded_bytes(picture) + allowance.extra * width * height
            )
            if not _read(connection, 1):
                return {}, []
            allowance.renew(len(body), width * height)
            with _ended_by_hang_up():
                parts = orders.perform(body, order) if order else []
                if not order:
                    decode_whole(picture)
            return {"width": width, "height": height, "parts": [len(part) for part in parts]}, parts
    except DECODER_ERRORS as problem:
        return {"corrupt": type(problem).__name__}, []


@contextlib.contextmanager
def _ended_by_hang_up() -> Iterator[None]:
    """SIGIO ends the process when the parent goes: the other end of the lifeline is then nobody's.

    Not of the socket, where it would also come for the parent's last word: to have read that is not to have been told
    of it, and the signal of one was seen to follow, in one of some thousand pictures on busy cores. The parent-death
    signal would not do: it follows the thread that started us, and the threads of Publish come and go.
    """
    flags = fcntl.fcntl(LIFELINE, fcntl.F_GETFL)
    fcntl.fcntl(LIFELINE, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(LIFELINE, fcntl.F_SETFL, flags | os.O_ASYNC)
    try:
        if select.select([LIFELINE], [], [], 0)[0]:
            sys.exit(0)
        yield
    finally:
        fcntl.fcntl(LIFELINE, fcntl.F_SETFL, flags)


def _read(connection: socket.socket, length: int) -> bytearray:
    """So many bytes; none when the parent has hung up."""
    body = bytearray(length)
    view, position = memoryview(body), 0
    while position < length:
        received = connection.recv_into(view[position:])
        if not received:
            return bytearray()
        position += received
    return body


def _say(connection: socket.socket, **words: Any) -> None:
    connection.sendall(json.dumps(words).encode() + b"\n")


if __name__ == "__main__":
    main()
