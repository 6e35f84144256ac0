"""What a command takes: wall time, CPU time of it and its children, and the most memory that they held together."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")
SAMPLE_SECONDS = 0.05


@dataclass(frozen=True)
class Cost:
    """Seconds and bytes. peak_rss: of all processes together, sampled; shared pages count in each; own_rss,
    children_rss: the same of the command's own process, and of the others without it."""

    wall: float
    cpu: float
    peak_rss: int
    own_rss: int
    children_rss: int
    code: int


def run(
    command: Sequence[str], log: Path, timeout: float, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Cost:
    """Run to the end; what it says goes to `log`. Killed after `timeout` seconds: then its code is -9."""
    before = time.monotonic()
    with log.open("wb") as said:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=env, cwd=cwd, start_new_session=True
        )
    peak = own = children = 0
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        first, *others = (resident(one) for one in family(process.pid))
        own, children, peak = max(own, first), max(children, sum(others)), max(peak, first + sum(others))
        if time.monotonic() - before > timeout:
            os.killpg(process.pid, 9)
        time.sleep(SAMPLE_SECONDS)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Cost(time.monotonic() - before, usage.ru_utime + usage.ru_stime, peak, own, children, process.returncode)


def family(pid: int) -> list[int]:
    """The process and all that descend from it now."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):  # it has ended meanwhile
            for task in os.listdir(f"/proc/{parent}/task"):
                found += [int(child) for child in Path(f"/proc/{parent}/task/{task}/children").read_text().split()]
    return found


def resident(pid: int) -> int:
    """Bytes in memory; 0 when it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def cpu_seconds(pid: int) -> float:
    """CPU time so far of a process and of its living and dead descendants."""
    total = 0
    for one in family(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(ticks) for ticks in fields[11:15])
    return total / TICKS
