"""Where the files of a proof stand: in memory where there is room, since what is killed here is never the machine.

A database is hundreds of files: to copy and drop one costs a disk's file system seven times the CPU time, and every
sync of an object store waits for the disk. TMPDIR, when it is set, is obeyed.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

IN_MEMORY = Path("/dev/shm")
KEPT_FREE = 2 << 30


def roomiest(needed: int, memory: Path = IN_MEMORY, facts: Path = Path("/proc/meminfo")) -> str:
    """The folder for temporary files of so many bytes: the memory's when it and the machine have room."""
    usual = tempfile.gettempdir()
    if "TMPDIR" in os.environ or not os.access(memory, os.W_OK) or not facts.exists():
        return usual
    available = re.search(r"^MemAvailable: +(\d+) kB", facts.read_text(), re.MULTILINE)
    free = min(shutil.disk_usage(memory).free, int(available[1]) << 10 if available else 0)
    return str(memory) if free >= needed + KEPT_FREE else usual
