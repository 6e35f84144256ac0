"""Where one worker of the campaign makes its cases: a source, a bucket, a bait, and states to begin from.

A state is a database and a folder of objects that a real run left behind; a case begins from a copy.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path

from luigi_tasks.domain.faults import VARIABLE
from luigi_tasks.gateways import embedded_postgres
from luigi_tasks.gateways.folder_store import FolderStore
from luigi_tasks.settings import Settings
from luigi_tasks.steps import session
from tests.conftest import Warehouse
from tests.image_server import ImageServer, serving
from tests.prove import lines
from tests.prove.child import WRONG_PURITY
from tests.prove.world import World
from tests.s3_double import Manners, Server, State, Version, s3_double
from twin import Account, Catalogue, Fault, Twin

REPOSITORY = Path(__file__).parents[2]
RUN_ID = "2026-11-21T07:00"
PICTURES = 26
PER_MINUTE = 3000
LEASE_SECONDS = 1
PATIENCE = 120.0
REPLAYED = ("raw.", "ops.runs", "ops.pages", "ops.loads", "ops.quarantine")
LINE = "line"
STATES = ("blank", "empty", "loaded", "modelled", "collected", "case")
CANARIES = {
    "WALLHAVEN_API_KEY": "canary-wallhaven-a1b2c3d4",
    "AWS_ACCESS_KEY_ID": "canary-aws-id-e5f6",
    "AWS_SECRET_ACCESS_KEY": "canary-aws-secret-g7h8",
}
OWN = (
    *("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "DRAENEI_HOME"),
    *("WALLHAVEN_API_URL", "WALLHAVEN_IMAGE_HOSTS", "WALLHAVEN_API_KEY", "WALLHAVEN_RATE_PER_MINUTE"),
    *("UPLOAD_LEASE_SECONDS", "UPLOAD_CONCURRENCY", "DETAILS_PER_RUN", "BUCKET_NAME", "S3_ENDPOINT_URL"),
    *("S3_FORCE_PATH_STYLE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"),
)


class Arena:
    """Use as a context manager. Not shared: its cases come one after the other."""

    def __init__(self, server: embedded_postgres.Server, folder: Path, number: int) -> None:
        self.server, self.folder, self.name = server, folder, f"prove{number}"
        self.case_folder = folder / "case"
        self._stack = ExitStack()

    def __enter__(self) -> Arena:
        catalogue = Catalogue.generate(PICTURES, small=True)
        account = Account(key=CANARIES["WALLHAVEN_API_KEY"], per_page=24)
        self.twin: Twin = self._stack.enter_context(Twin(catalogue, rate_per_minute=1_000_000, account=account))
        self.double: Server = self._stack.enter_context(s3_double())
        self.bait: ImageServer = self._stack.enter_context(serving())
        for state in STATES:
            self._stack.callback(self._administer, f'drop database if exists "{self.name}_{state}" with (force)')
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "luigi.cfg").write_text("[core]\nlocal_scheduler = true\n")
        self._made = set[str]()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def world(self, state: str, store: str) -> World:
        """A case's world: a copy of the state, nothing asked of the source yet, its own peculiarities restored."""
        self._make(state)
        shutil.rmtree(self.case_folder, ignore_errors=True)
        self._copy(state, "case", self.case_folder / "home")
        self.misbehave()
        self.twin.clear_requests()
        self.bait.asked.clear()
        self.double.state = State(manners=Manners(overwrites=store == "overwrites"))
        settings = self._settings("case", self.case_folder / "home", store)
        if store != "folder":
            self._upload(FolderStore(self.case_folder / "home" / "objects"))
            shutil.rmtree(self.case_folder / "home" / "objects", ignore_errors=True)
        return World(
            settings,
            twin=self.twin,
            double=self.double if store != "folder" else None,
            bait=self.bait,
            per_minute=PER_MINUTE,
            canaries=(*CANARIES.values(), self.server.password),
            files=[self.case_folder / "said"],
        )

    def misbehave(self, *more: Fault) -> None:
        """For ever: one record is bad, one picture gone, one leads to a host that is not allowed; before that, more."""
        ids = self.twin.catalogue.ids
        self.twin.faults.clear()
        self.twin.faults.add(
            *more,
            Fault("set_field", "search", times=None, page=1, id=ids[-1], field="purity", value=WRONG_PURITY),
            Fault("status", "image", times=None, id=ids[-2], status=404),
            Fault("redirect", "image", times=None, id=ids[-3], location=self.bait.url("/bait")),
        )

    def give_raw_zone(self, world: World) -> None:
        """Put the raw zone of a collected run into a world's folder, and say what a replay has to come to."""
        self._make("collected")
        self.misbehave()
        self.twin.clear_requests()
        collected = self.folder / "collected"
        for part in ("raw", ".meta/raw"):
            shutil.copytree(collected / "objects" / part, world.settings.draenei_home / "objects" / part)
        live = World(self._settings("collected", collected, "folder")).digests()
        world.replayed = {name: digest for name, digest in live.items() if name.startswith(REPLAYED)}

    @property
    def takedown_target(self) -> str:
        """A wallpaper that is stored when a run is complete."""
        return self.twin.catalogue.ids[0]

    def start(self, world: World, scope: str, fault: str = "") -> Child:
        """Start a process of a scope; fault: point:n:action, or line:k:kill, with k = 0 only to count."""
        return Child(self, world, scope, fault)

    def lines_of(self, scope: str, state: str) -> int:
        """How many lines of luigi_tasks a scope executes from a state to its end."""
        child = self.start(self.world(state, "folder"), scope, f"{LINE}:0:kill")
        child.wait()
        return int(child.said().rpartition(f"{lines.SAID} ")[2].split()[0])

    def finish(self, world: World, scope: str) -> None:
        """Run a scope to its end; raises RuntimeError with its last words when it fails."""
        child = self.start(world, scope)
        if child.wait() != 0:
            raise RuntimeError(f"{scope} of a state failed: {child.said()[-2000:]}")

    def _make(self, state: str) -> None:
        """blank: nothing; empty: migrated; loaded, modelled, collected: after so much of a run."""
        if state in self._made:
            return
        home = self.folder / state
        if state == "blank":
            self._administer(f'create database "{self.name}_blank"')
        elif state == "empty":
            self._administer(f'create database "{self.name}_empty"')
            session.open_warehouse(self._settings(state, home, "folder"))
        else:
            before, scopes = {
                "loaded": ("empty", ("load",)),
                "modelled": ("loaded", ("model",)),
                "collected": ("modelled", ("publish", "whole")),
            }[state]
            self._make(before)
            self._copy(before, state, home)
            self.misbehave()
            world = World(self._settings(state, home, "folder"), files=[self.folder / f"said-{state}"])
            for scope in scopes:
                self.finish(world, scope)
        self._made.add(state)

    def _settings(self, state: str, home: Path, store: str) -> Settings:
        bucket = self.double.settings() if store != "folder" else {}
        own = {
            "wallhaven_api_url": self.twin.api_url,
            "wallhaven_image_hosts": (self.twin.image_host,),
            "wallhaven_rate_per_minute": PER_MINUTE,
            "upload_lease_seconds": LEASE_SECONDS,
            "upload_concurrency": 3,
            "details_per_run": 4,
        }
        canaries = {name.lower(): value for name, value in CANARIES.items()}
        database = Warehouse(self.server, f"{self.name}_{state}", home)
        return database.settings(**{**own, **bucket, **canaries})

    def _copy(self, state: str, to: str, home: Path) -> None:
        name = f"{self.name}_{to}"
        self._administer(f'drop database if exists "{name}" with (force)')
        self._administer(f'create database "{name}" template "{self.name}_{state}" strategy file_copy')
        objects = self.folder / state / "objects"
        if objects.exists():
            shutil.copytree(objects, home / "objects")
        with contextlib.closing(Warehouse(self.server, name, home).connect()) as connection, connection:
            cursor = connection.cursor()
            cursor.execute("select to_regclass('ops.request_budget') is not null")
            if cursor.fetchone() == (True,):
                cursor.execute("delete from ops.request_budget")

    def _upload(self, folder: FolderStore) -> None:
        for head in folder.list(""):
            body, known = folder.get(head.key), folder.head(head.key)
            assert known
            said = base64.b64encode(hashlib.sha256(body).digest()).decode()
            version = Version(body, known.content_type or "", said, dict(known.metadata))
            self.double.state.versions[head.key] = [version]
            self.double.state.history[head.key] = [version]

    def _administer(self, statement: str) -> None:
        with closing(Warehouse(self.server, "postgres", self.folder).connect()) as connection:
            connection.autocommit = True
            connection.cursor().execute(statement)


class Child:
    """A process of the pipeline, in a group of its own, its words in a file of the world's."""

    def __init__(self, arena: Arena, world: World, scope: str, fault: str) -> None:
        self.scope, folder = scope, world.files[0]
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / f"{len(list(folder.iterdir())):03}-{scope}"
        luigi = [str(Path(sys.executable).with_name("luigi")), "--module", "luigi_tasks", "Collect", "--run-id", RUN_ID]
        command = luigi if scope == "whole" else [sys.executable, "-m", "tests.prove.child", scope, RUN_ID]
        with self._file.open("w") as said:
            self.process = subprocess.Popen(
                command,
                cwd=REPOSITORY,
                env={**environment(arena, world), **_armed(fault)},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._code: int | None = None

    def wait(self, seconds: float = PATIENCE) -> int:
        """Its exit code; -9 for one that is killed because it does not end. 124: it did not end in time."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return 124

    def wait_until_stopped(self, seconds: float = PATIENCE) -> bool:
        """True once it is stopped, False when it ended instead."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT | os.WNOHANG)
            if found:
                return found.si_code in {os.CLD_STOPPED, os.CLD_TRAPPED}
            time.sleep(0.01)
        return False

    def go_on(self) -> None:
        """SIGCONT."""
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """kill -9 of its group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def said(self) -> str:
        """What it has said so far."""
        return self._file.read_text(errors="replace")

    def struck(self, fault: str) -> bool:
        """True when the fault struck."""
        point, turn, _ = fault.split(":")
        words = f"{lines.VARIABLE} {turn} " if point == LINE else f"{VARIABLE} {fault}\n"
        return words in self.said()


def _armed(fault: str) -> dict[str, str]:
    point, _, rest = fault.partition(":")
    return {lines.VARIABLE: rest.partition(":")[0]} if point == LINE else {VARIABLE: fault}


def environment(arena: Arena, world: World) -> dict[str, str]:
    """What a process gets: the world's settings under the names that a user types, and nothing of this machine."""
    values = {name: getattr(world.settings, name.lower()) for name in OWN}
    words = {name: _word(value) for name, value in values.items() if value is not None}
    return {
        "PATH": os.defpath,
        "HOME": str(arena.folder),
        "PYTHONPATH": str(REPOSITORY),
        "LUIGI_CONFIG_PATH": str(arena.folder / "luigi.cfg"),
        "DRAENEI_PROGRESS": "none",
        "PROVE_TARGET": arena.takedown_target,
        **words,
    }


def _word(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    secret = getattr(value, "get_secret_value", None)
    return secret() if secret else str(value)
