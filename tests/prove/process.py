"""A process of the pipeline as the campaign starts it: its environment, how it ends, what it said."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from luigi_tasks.domain.faults import VARIABLE
from tests.prove import lines
from tests.prove.launched import REPOSITORY, Launcher
from tests.prove.world import World

MODULE = "tests.prove.child"
RUN_ID = "2026-11-21T07:00"
# A scope of a run that comes later, when nobody repeats the one that ended.
LATER = {"later": "2026-11-21T07:05"}
PATIENCE = 120.0
LINE = "line"
BY_LUIGI = frozenset({"whole", "rounds"})
COLLECT = ("--module", "luigi_tasks", "Collect", "--run-id", RUN_ID)
# What a scope has set besides.
SETTINGS = {"rounds": {"CHUNK_PAGES": "1"}, "publish2": {"UPLOAD_PROCESSES": "2"}}
OWN = (
    *("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "DRAENEI_HOME"),
    *("WALLHAVEN_API_URL", "WALLHAVEN_IMAGE_HOSTS", "WALLHAVEN_API_KEY", "WALLHAVEN_RATE_PER_MINUTE"),
    *("UPLOAD_LEASE_SECONDS", "UPLOAD_CONCURRENCY", "DETAILS_PER_RUN", "BUCKET_NAME", "S3_ENDPOINT_URL"),
    "QUARANTINE_MAX_SHARE",
    *("S3_FORCE_PATH_STYLE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"),
)


class Child:
    """A process of the pipeline, in a group of its own, its words in a file of the world's."""

    def __init__(self, launcher: Launcher, world: World, scope: str, environ: dict[str, str], fault: str) -> None:
        self.scope, folder = scope, world.files[0]
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / f"{len(list(folder.iterdir())):03}-{scope}"
        environ = {**environ, **SETTINGS.get(scope, {}), **_armed(fault)}
        with self._file.open("w") as said:
            self.process = launcher.start([scope, LATER.get(scope, RUN_ID)], environ, said, _command(scope, environ))

    def wait(self, seconds: float = PATIENCE) -> int:
        """Its exit code; -9 for one that is killed because it does not end. 124: it did not end in time."""
        try:
            return self.process.wait(seconds)
        except TimeoutError:
            self.process.kill()
            self.process.wait()
            return 124

    def go_on(self) -> None:
        """SIGCONT."""
        self.process.send_signal(signal.SIGCONT)

    def said(self) -> str:
        """What it has said so far."""
        return self._file.read_text(errors="replace")

    def struck(self, fault: str) -> bool:
        """True when the fault struck."""
        point, turn, _ = fault.split(":")
        words = f"{lines.VARIABLE} {turn} " if point == LINE else f"{VARIABLE} {fault}\n"
        return words in self.said()


def _command(scope: str, environ: dict[str, str]) -> list[str] | None:
    """What has to be a program of its own: the console's command, and a kill at lines that importing executes too."""
    if scope in BY_LUIGI:
        return [str(Path(sys.executable).with_name("luigi")), *COLLECT]
    return [sys.executable, "-m", MODULE, scope, RUN_ID] if lines.VARIABLE in environ else None


def _armed(fault: str) -> dict[str, str]:
    point, _, rest = fault.partition(":")
    return {lines.VARIABLE: rest.partition(":")[0]} if point == LINE else {VARIABLE: fault}


def environment(world: World, folder: Path) -> dict[str, str]:
    """What a process gets: the world's settings under the names that a user types, and nothing of this machine.

    folder: its home, with luigi.cfg.
    """
    values = {name: getattr(world.settings, name.lower()) for name in OWN}
    words = {name: _word(value) for name, value in values.items() if value is not None}
    return {**surroundings(folder), **words}


def surroundings(folder: Path) -> dict[str, str]:
    """The part of it that is the same for all processes in a folder."""
    return {
        "PATH": os.defpath,
        "HOME": str(folder),
        "PYTHONPATH": str(REPOSITORY),
        "LUIGI_CONFIG_PATH": str(folder / "luigi.cfg"),
        "DRAENEI_PROGRESS": "none",
    }


def _word(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    secret = getattr(value, "get_secret_value", None)
    return secret() if secret else str(value)
