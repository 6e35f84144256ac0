"""Progress for people: a bar on a terminal, a plain line every 30 s elsewhere, JSON lines on demand."""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Protocol, TextIO

from luigi_tasks.domain.progress import Progress, Silent, describe

PLAIN_SECONDS = 30.0
JSON_SECONDS = 1.0


class Shown(Progress, Protocol):
    """A Progress that takes up a place on the terminal until it is closed."""

    def close(self) -> None:
        """Nothing more will be told."""


def progress_for(mode: str, step: str, unit: str, stream: TextIO | None = None) -> Shown:
    """The Progress of a step in a mode of the setting DRAENEI_PROGRESS."""
    stream = stream or sys.stderr
    if mode == "auto":
        mode = "bar" if stream.isatty() else "plain"
    if mode == "bar":
        return Bar(step, unit, stream)
    if mode == "none":
        return Silent()
    return Lines(step, unit, stream, as_json=mode == "json")


class Lines:
    """One line now and then: words, or JSON with the same facts."""

    def __init__(self, step: str, unit: str, stream: TextIO, *, as_json: bool) -> None:
        self.step, self.unit, self.stream, self.as_json = step, unit, stream, as_json
        self.every = JSON_SECONDS if as_json else PLAIN_SECONDS
        self._started = self._said = time.monotonic()
        self._lock = threading.Lock()

    def update(self, done: int, total: int, *, bytes_done: int = 0, note: str = "") -> None:
        """Say it when it is time again."""
        with self._lock:
            now = time.monotonic()
            if now - self._said < self.every and not (self.as_json and done == total > 0):
                return
            self._said = now
            elapsed = now - self._started
            print(self._line(done, total, bytes_done, note, elapsed), file=self.stream, flush=True)

    def _line(self, done: int, total: int, bytes_done: int, note: str, elapsed: float) -> str:
        if not self.as_json:
            return f"{self.step}: {describe(self.unit, done, total, bytes_done, note, elapsed)}"
        facts = {"event": "progress", "step": self.step, "unit": self.unit, "done": done, "total": total}
        return json.dumps({**facts, "bytes": bytes_done, "note": note, "elapsed_seconds": round(elapsed, 1)})

    def close(self) -> None:
        """Lines stay where they are."""


class Bar:
    """A tqdm bar; its postfix carries the bytes and the note."""

    def __init__(self, step: str, unit: str, stream: TextIO) -> None:
        from tqdm import tqdm

        self._bar = tqdm(desc=step, unit=f" {unit}", file=stream, leave=True, dynamic_ncols=True, delay=0.2, miniters=0)
        self._lock = threading.Lock()
        self._started = time.monotonic()

    def update(self, done: int, total: int, *, bytes_done: int = 0, note: str = "") -> None:
        """Draw it, as often as tqdm finds useful."""
        with self._lock:
            self._bar.total = total or self._bar.total
            self._bar.set_postfix_str(describe("", 0, 0, bytes_done, note, 0), refresh=False)
            self._bar.update(max(0, done - self._bar.n))
            if total and done >= total:
                self._bar.refresh()

    def close(self) -> None:
        """Leave the bar as it stands."""
        self._bar.close()
