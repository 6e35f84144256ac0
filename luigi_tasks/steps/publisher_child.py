"""The program of the publishing processes: python -m luigi_tasks.steps.publisher_child PARENT FD, a child of Publish.

It imports what a publisher needs, reads one order from its standard input, and forks the publishers: a fork shares the
memory of what is imported, and no thread runs in this process that a fork could tear apart. steps/publishers.py says
how they talk. The end of standard input, or SIGTERM, means stop.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import pickle
import select
import signal
import sys
import threading
import time
import traceback
from types import TracebackType
from typing import Any

from luigi_tasks.domain.errors import PipelineError
from luigi_tasks.domain.parent import die_with
from luigi_tasks.domain.publishing import Outcome, UploadOutcome
from luigi_tasks.gateways.guarded_store import guard
from luigi_tasks.gateways.objects import ObjectStore, open_store
from luigi_tasks.steps.flow import OneAtATime, give_back_freed_memory
from luigi_tasks.steps.publisher import asked_to_stop, shares, work_off
from luigi_tasks.steps.publishers import AGAIN, Order
from luigi_tasks.steps.transfer import Share

TELL_SECONDS = 0.1
LONGEST_TEXT = 1000  # a line is written whole only up to PIPE_BUF: 4096 bytes on Linux


class Line:
    """The way to the parent, shared by all publishers.

    As a context manager it tells what goes wrong inside and ends it there: to raise it is the parent's. What nobody
    foresaw leaves its traceback on standard error, too. failed: something went wrong.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self.failed = descriptor, False

    def say(self, **words: Any) -> None:
        """One line, at once."""
        os.write(self._descriptor, json.dumps(words).encode() + b"\n")

    def __enter__(self) -> Line:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(problem, Exception):
            return False
        self.failed = True
        if not isinstance(problem, PipelineError):
            traceback.print_exception(problem)
            problem = PipelineError(
                f"a publishing process failed: {type(problem).__name__}: {problem}".strip(": "), mend=AGAIN
            )
        texts = {"what": problem.what, "where": problem.where, "mend": problem.mend}
        self.say(error=type(problem).__name__, **{name: text[:LONGEST_TEXT] for name, text in texts.items()})
        return True


class Tally:
    """Counts outcomes and tells the parent now and then; as a context manager the last of them at its end."""

    def __init__(self, line: Line) -> None:
        self._line, self._counting, self._told = line, threading.Lock(), time.monotonic()
        self._stored = self._failed = self._bytes = 0

    def __enter__(self) -> Tally:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tell()

    def count(self, outcome: UploadOutcome) -> None:
        """One more item is done."""
        with self._counting:
            if outcome.outcome is Outcome.STORED:
                self._stored, self._bytes = self._stored + 1, self._bytes + (outcome.bytes or 0)
            else:
                self._failed += 1
            if time.monotonic() - self._told >= TELL_SECONDS:
                self._tell()

    def _tell(self) -> None:
        self._line.say(stored=self._stored, failed=self._failed, bytes=self._bytes)
        self._stored = self._failed = self._bytes = 0
        self._told = time.monotonic()


def main() -> None:
    """Do what the order says. Arguments: the parent's process id, and the descriptor of the way back."""
    parent, line = int(sys.argv[1]), Line(int(sys.argv[2]))
    die_with(parent)
    give_back_freed_memory()
    stop, asked = os.pipe()
    signal.signal(signal.SIGTERM, lambda number, frame: os.write(asked, b".") and None)
    with line, contextlib.suppress(EOFError):
        with open(0, "rb", buffering=0, closefd=False) as given:
            order: Order = pickle.load(given)  # noqa: S301 (our own parent's)
        with contextlib.closing(OneAtATime()) as bodies, contextlib.closing(OneAtATime()) as decodes:
            children, alive = _fork_all(order, line, bodies, decodes)
            line.say(ended=_ends(children, alive, [0, stop]))


def _fork_all(order: Order, line: Line, *turns: OneAtATime) -> tuple[list[int], int]:
    """The publishers, and a descriptor that can be read when all of them have ended."""
    store, _ = guard(order.settings, order.run_key, open_store(order.settings))
    own, (alive, held) = os.getpid(), os.pipe()
    children: list[int] = []
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # until there is somebody who hears it
    gc.collect()
    gc.freeze()  # so that no collection copies what is shared
    for share in shares(order.settings, order.processes, *turns):
        child = os.fork()
        if not child:
            die_with(own)
            os.close(alive)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            sys.exit(_publish(order, store, share, line))
        children.append(child)
    os.close(held)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    return children, alive


def _publish(order: Order, store: ObjectStore, share: Share, line: Line) -> int:
    """The life of a publisher; its exit code, 0 only when it found nothing left that could be done."""
    with contextlib.suppress(KeyboardInterrupt):
        with line, asked_to_stop() as asked, Tally(line) as tally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            for sentence in work_off(order.settings, order.run_key, lambda: store, tally, share, asked):
                line.say(stopped=sentence[:LONGEST_TEXT])
        return int(line.failed)
    return 1


def _ends(children: list[int], alive: int, stops: list[int]) -> list[int]:
    """The children's exit codes, once all have ended; told to stop when one of `stops` can be read or has ended."""
    if alive not in select.select([alive, *stops], [], [])[0]:
        for child in children:  # none is waited for yet, so that its number is its own
            os.kill(child, signal.SIGTERM)
    select.select([alive], [], [])
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


if __name__ == "__main__":
    main()
