"""Reads of whole objects, made again where a read may only have been unlucky: broken off, or damaged on the way.

The drivers try again by themselves as long as no answer has begun. What breaks off after its first byte, or is not the
bytes of its checksum, is theirs to notice and ours to repeat.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from luigi_tasks.gateways.objects import CutShort, ObjectDamaged

TRIES = 4
READS_OF_DAMAGE = 2  # damage on the way is gone in the next read; damage in the store stays however often one reads
LONGEST_PAUSE_SECONDS = 20.0


def read_whole(read: Callable[[], bytes]) -> bytes:
    """What read() returns, after up to four tries of answers that were cut short and two of damaged ones.

    Raises the last CutShort or ObjectDamaged, and whatever else read raises at once.
    """
    cut, damaged = 0, 0
    while True:
        try:
            return read()
        except CutShort:
            cut += 1
            if cut == TRIES:
                raise
        except ObjectDamaged:
            damaged += 1
            if damaged == READS_OF_DAMAGE:
                raise
        time.sleep(random.uniform(0, min(LONGEST_PAUSE_SECONDS, 2 ** (cut - 1))))  # noqa: S311 (jitter)
