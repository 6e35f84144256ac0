"""Runs a command at fixed marks of the clock: what cron would do, as an ordinary user in the foreground.

    python deploy/schedule.py --every-minutes 30 --now -- luigi --module luigi_tasks Collect
    python deploy/schedule.py --check          exit 0 while the loop lives: the container's health check

Marks are multiples of the interval since the epoch in UTC, so 30 means :00 and :30. A mark that passes while the
command still runs is skipped: runs never overlap. SIGTERM and SIGINT are passed on to the command as SIGTERM; the loop
then waits for it and ends with 0. A failed run is logged and the next mark tries again.
"""

from __future__ import annotations

import argparse
import logging
import math
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

log = logging.getLogger("schedule")
HEARTBEAT = Path(tempfile.gettempdir()) / "schedule.heartbeat"
STEP_SECONDS = 0.5
DEAD_AFTER_SECONDS = 60.0
ALREADY_RUNNING = 10


def next_mark(now: float, interval: float) -> float:
    """The first multiple of interval after now; both in seconds since the epoch."""
    return (math.floor(now / interval) + 1) * interval


class Loop:
    """Waits for marks and runs the command at each, one at a time, until stop() is called."""

    def __init__(self, command: Sequence[str], interval: float, beat: Callable[[], None]) -> None:
        self._command, self._interval, self._beat = list(command), interval, beat
        self._stopped_by: signal.Signals | None = None
        self._child: subprocess.Popen[bytes] | None = None

    def stop(self, number: int, _frame: FrameType | None = None) -> None:
        """Signal handler: no further run, and the one under way is asked to end."""
        # It may interrupt any line of the loop, so it takes no lock: no logging, no threading.Event.
        self._stopped_by = signal.Signals(number)
        if self._child is not None:
            self._child.send_signal(signal.SIGTERM)

    def run(self, *, now: bool) -> None:
        """Run until stopped; with now, once before the first mark."""
        if now:
            self._run_once()
        while self._stopped_by is None:
            mark = next_mark(time.time(), self._interval)
            log.info("next run at %s", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(mark)))
            if self._wait_until(mark):
                self._run_once()
        log.info("stopped by %s", self._stopped_by.name)

    def _wait_until(self, mark: float) -> bool:
        while self._stopped_by is None and (left := mark - time.time()) > 0:
            self._pause(left)
        return self._stopped_by is None

    def _run_once(self) -> None:
        started = time.monotonic()
        self._child = child = subprocess.Popen(self._command, stdin=subprocess.DEVNULL)
        if self._stopped_by is not None:  # the signal came between the last look and the start
            child.send_signal(signal.SIGTERM)
        while (code := child.poll()) is None:
            self._pause(STEP_SECONDS)
        self._child = None
        level = logging.INFO if code in (0, ALREADY_RUNNING) else logging.ERROR
        note = " (another run holds the lock)" if code == ALREADY_RUNNING else ""
        log.log(level, "run ended with %d%s after %.1f s", code, note, time.monotonic() - started)

    def _pause(self, seconds: float) -> None:
        # A sleep goes on after a signal, so its length is how long a stop may take.
        self._beat()
        time.sleep(min(seconds, STEP_SECONDS))


def alive(heartbeat: Path, now: float) -> bool:
    """True when the loop has touched its file within DEAD_AFTER_SECONDS."""
    return heartbeat.exists() and now - heartbeat.stat().st_mtime < DEAD_AFTER_SECONDS


def minutes(text: str) -> float:
    """An interval of more than 0 minutes and at most a week; argparse turns the error into a message."""
    value = float(text)
    if not 0 < value <= 10080:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 10080; set SCHEDULE_MINUTES, for example 30")
    return value


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run a command at fixed marks of the clock.")
    parser.add_argument("--every-minutes", type=minutes, default=30.0, help="minutes between marks (default 30)")
    parser.add_argument("--now", action="store_true", help="run once at the start too")
    parser.add_argument("--heartbeat", type=Path, default=HEARTBEAT, help="file that a living loop touches")
    parser.add_argument("--check", action="store_true", help="only tell by the exit code whether the loop lives")
    parser.add_argument("command", nargs="*", help="the command, after --")
    arguments = parser.parse_args(argv)
    if not arguments.check:
        if not arguments.command:
            parser.error("no command: give it after --")
        if shutil.which(arguments.command[0]) is None:
            parser.error(f"{arguments.command[0]} is not on PATH")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    arguments = _arguments(argv)
    if arguments.check:
        return 0 if alive(arguments.heartbeat, time.time()) else 1
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    loop = Loop(arguments.command, arguments.every_minutes * 60, arguments.heartbeat.touch)
    signal.signal(signal.SIGTERM, loop.stop)
    signal.signal(signal.SIGINT, loop.stop)
    loop.run(now=arguments.now)
    return 0


if __name__ == "__main__":
    sys.exit(main())
