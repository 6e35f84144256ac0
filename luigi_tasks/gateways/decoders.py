"""Children that decode pictures for us: whatever a picture does to its decoder ends that child and this picture alone.

Up to as many as there are cores, each started when the others keep a picture waiting, used again, and replaced when it
crashes, exceeds a limit or answers nonsense. The other side of the socket is steps/decoder.py, which also says how they
talk.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from luigi_tasks.domain.errors import PipelineError
from luigi_tasks.domain.publishing import Body, Outcome, PictureError
from luigi_tasks.settings import Settings

CHILD = "luigi_tasks.steps.decoder"
ROOT = Path(__file__).resolve().parents[2]
HEAD = struct.Struct(">QBI")
TYPES = {"image/jpeg": 0, "image/png": 1}
START_SECONDS = 60.0
# To start one costs a tenth of a second of CPU time: as much as small pictures by the dozen.
SOON_SECONDS = 0.05
# By the clock, for each second of CPU time: a busy machine is no fault of the picture.
PATIENCE = 3
LONGEST_ANSWER = 4096
# Of one picture; a child that says more is not believed.
LARGEST_PARTS = 1 << 30
# Of 16 MiB, which Pillow keeps for the next picture's pixels: page faults were a fifth of a decode's CPU time.
KEPT_BLOCKS = "2"
Room = Callable[[int], AbstractContextManager[None]]


@dataclass(frozen=True)
class DecodingLimits:
    """For one picture. max_pixels: width times height; max_bytes: of the body; cpu_seconds: whole ones, at least 1.

    extra: bytes a pixel for what is made of the picture, beyond its decode.
    """

    max_pixels: int
    max_bytes: int
    cpu_seconds: int
    extra: int = 0

    @classmethod
    def of(cls, settings: Settings, extra: int = 0) -> DecodingLimits:
        return cls(settings.image_max_pixels, settings.image_max_bytes, settings.image_decode_seconds, extra)


class Decoders:
    """The children; shared by any number of threads. Use as a context manager: they end with it."""

    def __init__(self, limits: DecodingLimits, children: int | None = None) -> None:
        self._limits = limits
        self._free: queue.LifoQueue[_Child | None] = queue.LifoQueue()
        self._size, self._begun = children or usable_cores(), 0
        self._beginning = threading.Lock()

    def __enter__(self) -> Decoders:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _ in range(self._begun):
            if child := self._free.get():
                child.end()

    def decode(self, body: Body, file_type: str, room: Room) -> tuple[int, int]:
        """Decode every pixel; width and height. room(bytes) is entered for the time of the full decode.

        Raises PictureError: corrupt for what does not decode within the limits or takes its decoder down, refused for
        more than max_pixels; PipelineError when no child starts.
        """
        answer, _ = self._ask(body, file_type, room)
        return _size_of(answer)

    def make(self, body: Body, file_type: str, room: Room, order: bytes) -> list[bytes]:
        """The parts that an order (steps/orders.py) asks for. Raises as decode does."""
        answer, parts = self._ask(body, file_type, room, order)
        _size_of(answer)
        return parts

    def _ask(self, body: Body, file_type: str, room: Room, order: bytes = b"") -> tuple[dict[str, Any], list[bytes]]:
        child = self._take()
        try:
            if child and not child.alive:
                child.end()
                child = None
            child = child or _Child(self._limits)
            return child.ask(body, file_type, room, order)
        except BaseException:
            child = None  # it has ended, by itself or by our hand
            raise
        finally:
            self._free.put(child)

    def _take(self) -> _Child | None:
        """One that is free; one more when this picture waited and there may be more. None: another takes its place."""
        while self._begun < self._size:
            with contextlib.suppress(queue.Empty):
                return self._free.get(timeout=SOON_SECONDS if self._begun else 0)
            # One begins at a time, and whoever waits meanwhile takes what becomes free.
            if self._beginning.acquire(blocking=False):
                try:
                    if self._begun < self._size:
                        self._begun += 1
                        return self._begin()
                finally:
                    self._beginning.release()
        return self._free.get()

    def _begin(self) -> _Child:
        try:
            return _Child(self._limits)
        except BaseException:
            self._free.put(None)
            raise


class _Child:
    """One child, used by one thread at a time."""

    def __init__(self, limits: DecodingLimits) -> None:
        self._seconds = float(PATIENCE * limits.cpu_seconds)
        arguments = [str(limit) for limit in (limits.max_pixels, limits.max_bytes, limits.cpu_seconds, limits.extra)]
        self._socket, theirs = socket.socketpair()
        lifeline, held = os.pipe()
        self._held = os.fdopen(held, "wb", buffering=0)
        with theirs, os.fdopen(lifeline, "rb"):
            self._process = subprocess.Popen(
                [sys.executable, "-m", CHILD, *arguments],
                cwd="/",
                env={"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1", "PILLOW_BLOCKS_MAX": KEPT_BLOCKS},
                stdin=theirs.fileno(),
                stdout=lifeline,
                stderr=subprocess.DEVNULL,
            )
        try:
            self._hear(time.monotonic() + START_SECONDS)
        except (OSError, ValueError):
            how = self.end()
            raise PipelineError(
                f"the picture decoder does not start ({how})", mend=f"See why: python -m {CHILD} 1 1 1 < /dev/null"
            ) from None
        except BaseException:
            self.end()
            raise

    @property
    def alive(self) -> bool:
        """False when something ended it while it was waiting."""
        return self._process.poll() is None

    def ask(self, body: Body, file_type: str, room: Room, order: bytes) -> tuple[dict[str, Any], list[bytes]]:
        """Its last word on a picture, and the parts ordered.

        Raises PictureError when there is no word; then, and on any error, it is ended.
        """
        try:
            deadline = time.monotonic() + self._seconds
            self._tell(HEAD.pack(len(body), TYPES[file_type], len(order)), deadline)
            self._tell(body, deadline)
            self._tell(order, deadline)
            answer = self._hear(deadline)
            if "bytes" not in answer:
                return answer, []
            with room(int(answer["bytes"])):
                deadline = time.monotonic() + self._seconds
                self._tell(b"G", deadline)
                answer = self._hear(deadline)
                return answer, [self._part(length, deadline) for length in _lengths(answer)]
        except TimeoutError:
            self.end()
            raise PictureError(Outcome.CORRUPT, "does not decode: over IMAGE_DECODE_SECONDS") from None
        except (OSError, ValueError):
            raise PictureError(Outcome.CORRUPT, f"does not decode: {self.end()}") from None
        except BaseException:
            self.end()
            raise

    def end(self) -> str:
        """End it, and say how it ended."""
        self._socket.close()  # a child that waits for work ends by that
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.05)
        self._process.kill()
        code = self._process.wait()
        self._held.close()
        if code == -signal.SIGXCPU:
            return "over IMAGE_DECODE_SECONDS"
        return f"the decoder crashed ({signal.Signals(-code).name if code < 0 else f'exit code {code}'})"

    def _tell(self, words: Body, deadline: float) -> None:
        self._socket.settimeout(_left(deadline))
        self._socket.sendall(words)

    def _part(self, length: int, deadline: float) -> bytes:
        part = bytearray(length)
        view, position = memoryview(part), 0
        while position < length:
            self._socket.settimeout(_left(deadline))
            received = self._socket.recv_into(view[position:])
            if not received:
                raise ConnectionResetError
            position += received
        return bytes(part)

    def _hear(self, deadline: float) -> dict[str, Any]:
        line = bytearray()
        while not line.endswith(b"\n"):
            self._socket.settimeout(_left(deadline))
            seen = self._socket.recv(LONGEST_ANSWER, socket.MSG_PEEK)
            # Behind the line there may be parts.
            part = self._socket.recv(seen.find(b"\n") + 1 or len(seen))
            if not part:
                raise ConnectionResetError
            line += part
            if len(line) > LONGEST_ANSWER:
                raise ValueError
        answer: dict[str, Any] = json.loads(line)
        return answer


def _lengths(answer: dict[str, Any]) -> list[int]:
    lengths = [int(length) for length in answer.get("parts", [])]
    if sum(lengths) > LARGEST_PARTS or min(lengths, default=0) < 0:
        raise ValueError
    return lengths


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _size_of(answer: dict[str, Any]) -> tuple[int, int]:
    if "too_many_pixels" in answer:
        raise PictureError(Outcome.REFUSED, "more pixels than IMAGE_MAX_PIXELS")
    if "corrupt" in answer:
        raise PictureError(Outcome.CORRUPT, f"does not decode: {answer['corrupt']}")
    return int(answer["width"]), int(answer["height"])
