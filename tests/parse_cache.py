"""What dbt knows of the project once it has parsed it, handed from test to test: a parse costs more than a build.

dbt takes it only for the same database, login and role, so it is kept by worker and by who builds. It compares every
file and variable with what it knows, and parses what has changed.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

SERVER_HOME = "DRAENEI_TEST_SERVER_HOME"
PARSED = Path("target", "partial_parse.msgpack")
PIPELINE, BY_HAND = "pipeline", "by_hand"


def lend(folder: Path, builder: str = PIPELINE) -> None:
    """Give a folder of dbt what is known, if anything is and it has nothing of its own."""
    known, own = _kept(builder), folder / PARSED
    if known.exists() and not own.exists():
        own.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(known, own)


def keep(folder: Path, builder: str = PIPELINE) -> None:
    """Keep what a folder of dbt has, for those to come; the first of a worker is what it has."""
    known, own = _kept(builder), folder / PARSED
    if own.exists() and not known.exists():
        shutil.copyfile(own, known)


def _kept(builder: str) -> Path:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    return Path(os.environ[SERVER_HOME]) / f"parsed-{builder}-{worker}"
