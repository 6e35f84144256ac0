"""Where one worker of the campaign makes its cases: a source, a bucket, a bait, and states to begin from.

A state is a database and a folder of objects that a real run left behind; a case begins from a copy. States are made
where cases are, in the same database and folder, and then put aside: dbt parses a project again for another database.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
from collections.abc import Collection
from contextlib import ExitStack, closing
from pathlib import Path

from luigi_tasks.gateways import embedded_postgres
from luigi_tasks.gateways.folder_store import FolderStore
from luigi_tasks.settings import Settings
from tests import parse_cache
from tests.conftest import Warehouse
from tests.image_server import ImageServer, serving
from tests.prove.child import WRONG_PURITY
from tests.prove.launched import Launcher
from tests.prove.process import MODULE, Child, environment, surroundings
from tests.prove.service import Service, listening
from tests.prove.world import NAMELESS, QUARANTINED, World
from tests.s3_double import Manners, Server, State, Version, s3_double
from twin import Account, Catalogue, Fault, Twin
from twin.wallpaper import EXTENSIONS

PICTURES = 26
PER_MINUTE = 3000
LEASE_SECONDS = 1
REPLAYED = ("raw.", "ops.runs", "ops.pages", "ops.loads", "ops.quarantine")
# Each state by the one before it and what is run from there.
STATES: dict[str, tuple[str, tuple[str, ...]]] = {
    "blank": ("", ()),
    "empty": ("blank", ("migrate",)),
    "loaded": ("empty", ("load",)),
    "modelled": ("loaded", ("model",)),
    "collected": ("modelled", ("publish", "whole")),
}
CASE = "case"
PARSED = Path("dbt", parse_cache.PARSED)
CANARIES = {
    "WALLHAVEN_API_KEY": "canary-wallhaven-a1b2c3d4",
    "AWS_ACCESS_KEY_ID": "canary-aws-id-e5f6",
    "AWS_SECRET_ACCESS_KEY": "canary-aws-secret-g7h8",
}


class Arena:
    """Use as a context manager. Not shared: its cases come one after the other."""

    def __init__(self, server: embedded_postgres.Server, folder: Path, number: int) -> None:
        self.server, self.folder, self.number, self.name = server, folder, number, f"prove{number}"
        self.case_folder, self.home = folder / CASE, folder / CASE / "home"
        self._stack = ExitStack()

    def __enter__(self) -> Arena:
        catalogue = Catalogue.generate(PICTURES, small=True)
        account = Account(key=CANARIES["WALLHAVEN_API_KEY"], per_page=24)
        self.twin: Twin = self._stack.enter_context(Twin(catalogue, rate_per_minute=1_000_000, account=account))
        self.double: Server = self._stack.enter_context(s3_double())
        self.bait: ImageServer = self._stack.enter_context(serving())
        self.service: Service = self._stack.enter_context(listening())
        for state in (CASE, *STATES):
            self._stack.callback(self._administer, f'drop database if exists "{self.name}_{state}" with (force)')
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "luigi.cfg").write_text("[core]\nlocal_scheduler = true\n")
        self.launcher = self._stack.enter_context(
            Launcher(MODULE, surroundings(self.folder), two_of(os.sched_getaffinity(0), self.number))
        )
        self._made = set[str]()
        self._live: dict[str, str] = {}
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def world(self, state: str, store: str, *others: str) -> World:
        """A case's world: a copy of the state, nothing asked of the source yet, its own peculiarities restored.

        others: states that the case will ask for besides; they are made where the world is, so before it.
        """
        for needed in (*others, "modelled" if state == "loaded" else state):
            self._make(needed)
        self._lay_out(state)
        self.misbehave()
        self.twin.clear_requests()
        self.bait.asked.clear()
        self.service.heard.clear()
        self.double.state = State(manners=Manners(overwrites=store == "overwrites"))
        settings = self._settings(store)
        if store != "folder":
            self._upload(FolderStore(self.home / "objects"))
            shutil.rmtree(self.home / "objects", ignore_errors=True)
        return World(
            settings,
            twin=self.twin,
            double=self.double if store != "folder" else None,
            bait=self.bait,
            per_minute=PER_MINUTE,
            planted=self.planted,
            canaries=(*CANARIES.values(), self.server.password),
            files=[self.case_folder / "said"],
            told=self.service.heard,
        )

    @property
    def planted(self) -> dict[str, str]:
        """What has to become of the wallpapers that misbehave; all others are to be stored."""
        _, nameless, *_, refused, gone, bad = self.twin.catalogue.ids
        return {refused: "refused", gone: "gone", bad: QUARANTINED, nameless: NAMELESS}

    def misbehave(self, *more: Fault) -> None:
        """For ever: one record is bad, one has no id, one picture is gone, one leads to a host that is not allowed.

        more: what goes wrong before that.
        """
        refused, gone, bad, nameless = self.planted
        self.twin.faults.clear()
        self.twin.faults.add(
            *more,
            Fault("set_field", "search", times=None, page=1, id=bad, field="purity", value=WRONG_PURITY),
            Fault("missing_field", "search", times=None, page=2, id=nameless, field="id"),
            Fault("status", "image", times=None, id=gone, status=404),
            Fault("redirect", "image", times=None, id=refused, location=self.bait.url("/bait")),
        )

    def give_raw_zone(self, world: World) -> None:
        """Put raw zone and pictures of a collected run into a world's folder, and say what a replay has to come to."""
        for part in ("raw", ".meta/raw", "wallpapers", ".meta/wallpapers"):
            shutil.copytree(self.folder / "collected" / "objects" / part, self.home / "objects" / part)
        world.replayed = {name: digest for name, digest in self._live.items() if name.startswith(REPLAYED)}

    @property
    def takedown_target(self) -> str:
        """A wallpaper that is stored when a run is complete."""
        return self.twin.catalogue.ids[0]

    @property
    def taken(self) -> str:
        """A wallpaper whose key another program may have taken."""
        return self.twin.catalogue.ids[2]

    @property
    def taken_key(self) -> str:
        """That key."""
        one = self.twin.catalogue.get(self.taken)
        assert one
        return f"wallpapers/{one.id}.{EXTENSIONS[one.file_type]}"

    def start(self, world: World, scope: str, fault: str = "") -> Child:
        """Start a process of a scope; fault: point:n:action, or line:k:kill, with k = 0 only to count."""
        target = {"PROVE_TARGET": self.takedown_target} | (self.service.environ if scope == "told" else {})
        return Child(self.launcher, world, scope, {**environment(world, self.folder), **target}, fault)

    def finish(self, world: World, scope: str) -> None:
        """Run a scope to its end; raises RuntimeError with its last words when it fails."""
        child = self.start(world, scope)
        if child.wait() != 0:
            raise RuntimeError(f"{scope} of a state failed: {child.said()[-2000:]}")

    def _make(self, state: str) -> None:
        """Make a state, once. What a failed attempt left is cleared by the next."""
        if state in self._made:
            return
        before, scopes = STATES[state]
        if before:
            self._make(before)
        self._lay_out(before)
        self.misbehave()
        world = World(self._settings("folder"), files=[self.folder / f"said-{state}"])
        for scope in scopes:
            self.finish(world, scope)
        self._put_aside(state)
        if state == "collected":
            self._live = world.digests()
        self._made.add(state)

    def _put_aside(self, state: str) -> None:
        self._copy_database(CASE, state)
        shutil.rmtree(self.folder / state, ignore_errors=True)
        for part in (Path("objects"), PARSED):
            _copy(self.home / part, self.folder / state / part)
        _copy(self.home / PARSED, self.folder / PARSED)

    def _lay_out(self, state: str) -> None:
        """The case's database and home as the state has them; '' is neither table nor file."""
        shutil.rmtree(self.case_folder, ignore_errors=True)
        self._copy_database(state, CASE)
        _copy(self.folder / state / "objects", self.home / "objects")
        _copy(self.folder / PARSED, self.home / PARSED)

    def _settings(self, store: str) -> Settings:
        bucket = self.double.settings() if store != "folder" else {}
        own = {
            "wallhaven_api_url": self.twin.api_url,
            "wallhaven_image_hosts": (self.twin.image_host,),
            "wallhaven_rate_per_minute": PER_MINUTE,
            "upload_lease_seconds": LEASE_SECONDS,
            "upload_concurrency": 3,
            "details_per_run": 4,
            "quarantine_max_share": 0.1,
        }
        canaries = {name.lower(): value for name, value in CANARIES.items()}
        return self._warehouse().settings(**{**own, **bucket, **canaries})

    def _warehouse(self) -> Warehouse:
        return Warehouse(self.server, f"{self.name}_{CASE}", self.home)

    def _copy_database(self, state: str, to: str) -> None:
        name = f"{self.name}_{to}"
        self._administer(f'drop database if exists "{name}" with (force)')
        template = f'template "{self.name}_{state}" strategy file_copy' if state else ""
        self._administer(f'create database "{name}" {template}')
        with closing(Warehouse(self.server, name, self.home).connect()) as connection, connection:
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


def two_of(cores: Collection[int], number: int) -> set[int]:
    """The cores of worker number: with one more than the work needs, each process starts a decoder more for nothing."""
    ring = sorted(cores)
    return {ring[(number + step) % len(ring)] for step in range(2)}


def _copy(path: Path, to: Path) -> None:
    """A file or a folder, when it is there."""
    if path.is_dir():
        shutil.copytree(path, to)
    elif path.exists():
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, to)
