"""Several publishing processes for one run: started, told to stop, listened to, and never left behind.

The parent is what Luigi sees; it moves no picture. It starts one process that imports the program once
(steps/publisher_child.py) and forks the others, which share its memory. The way there is standard input: an order,
and its end, which means stop. The way back is a pipe for all of them: one JSON object a line, each written at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO

from luigi_tasks.domain import errors
from luigi_tasks.domain.errors import PipelineError
from luigi_tasks.settings import Settings
from luigi_tasks.steps.crew import Meter
from luigi_tasks.steps.worklist import TICK_SECONDS

CHILD = "luigi_tasks.steps.publisher_child"
ROOT = Path(__file__).resolve().parents[2]
WORTH_A_PROCESS = 8  # pictures: of fewer a process that is there already has most before another has started
LEAST_BYTES = 16 << 20  # of UPLOAD_MEMORY_BYTES, for each
STOP_SECONDS = 30.0  # for the pictures in flight; whoever still runs then is killed, which costs nothing but time
AGAIN = "Run the same command again: what is stored is skipped."


def processes(settings: Settings, pictures: int) -> int:
    """How many processes are to publish so many pictures; 1: this one."""
    useful = min(pictures // WORTH_A_PROCESS, settings.upload_memory_bytes // LEAST_BYTES)
    at_once = min(settings.upload_concurrency, settings.image_host_concurrency or settings.upload_concurrency)
    return max(1, min(settings.upload_processes, at_once, useful))


@dataclass(frozen=True)
class Order:
    """What the processes are to do."""

    settings: Settings
    run_key: str
    processes: int


@dataclass
class _Heard:
    stopped: set[str] = field(default_factory=set)
    problem: PipelineError | None = None
    codes: list[int] | None = None


class Publishers:
    """Use as a context manager: entering starts the program, so that it is ready when the order comes; leaving ends
    whatever of it still runs."""

    def __init__(self) -> None:
        back, theirs = os.pipe()
        self._back = back
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", CHILD, str(os.getpid()), str(theirs)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"},
                start_new_session=True,  # a Ctrl-C is the parent's to hear
            )
        except BaseException:
            os.close(back)
            raise
        finally:
            os.close(theirs)

    def __enter__(self) -> Publishers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._back)

    def work_off(self, order: Order, meter: Meter, asked: threading.Event) -> tuple[str, ...]:
        """Return when all have ended: a sentence for each host that was given up.

        One that was killed is no error: what it held is taken over by the others. Raises the first error of any of
        them, and PipelineError when none was left, or the one that started them was killed.
        """
        with contextlib.suppress(BrokenPipeError):
            pickle.dump(order, self._stdin)
            self._stdin.flush()
        heard = self._listen(meter, asked)
        if heard.problem:
            raise heard.problem
        if heard.codes is None and not asked.is_set():
            raise PipelineError("the publishing processes were killed", mend=AGAIN)
        if heard.codes and all(heard.codes) and not asked.is_set():
            raise PipelineError(f"all publishing processes ended early (exit codes {heard.codes})", mend=AGAIN)
        return tuple(sorted(heard.stopped))

    @property
    def _stdin(self) -> IO[bytes]:
        assert self._process.stdin, "it was asked for"
        return self._process.stdin

    def _listen(self, meter: Meter, asked: threading.Event) -> _Heard:
        heard, rest, patience = _Heard(), b"", STOP_SECONDS
        while patience > 0:
            if asked.is_set() or heard.problem:
                self._stop()
                patience -= TICK_SECONDS
            if not select.select([self._back], [], [], TICK_SECONDS)[0]:
                continue
            if not (said := os.read(self._back, 1 << 16)):
                break
            *lines, rest = (rest + said).split(b"\n")
            for line in lines:
                _take(heard, json.loads(line), meter)
        return heard

    def _stop(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()


def _take(heard: _Heard, words: dict[str, object], meter: Meter) -> None:
    match words:
        case {"stored": int(stored), "failed": int(failed), "bytes": int(size)}:
            meter.add(stored=stored, failed=failed, size=size)
        case {"stopped": str(sentence)}:
            heard.stopped.add(sentence)
        case {"error": str(kind), "what": str(what), "where": str(where), "mend": str(mend)}:
            found = getattr(errors, kind, PipelineError)
            heard.problem = heard.problem or found(what, where=where, mend=mend)
        case {"ended": list(codes)}:
            heard.codes = [int(str(code)) for code in codes]
