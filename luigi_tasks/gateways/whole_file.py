"""A file that is written whole or not at all, for readers on this machine: a killed writer leaves the old one."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def unfinished(path: Path) -> Path:
    """Where a writer begins. One name for all, so that what a killed one left is written over; not for two at once."""
    return path.with_name(f".{path.name}.new")


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Write to the path that this gives; it becomes `path`, whose folder is made, when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    begun = unfinished(path)
    yield begun
    begun.replace(path)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Write to a folder, which is made, while no other process or thread does; it is waited for."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
