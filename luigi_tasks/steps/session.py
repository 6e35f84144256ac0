"""What stands around a run: a warehouse that is up to date, the lock, the row in ops.runs, the last word."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from luigi_tasks.domain.errors import SettingsError, StoreError
from luigi_tasks.domain.faults import crash_point
from luigi_tasks.domain.identity import CODE_VERSION
from luigi_tasks.domain.run import Run
from luigi_tasks.gateways import dbt_login, dbt_profile, pipeline_lock, postgres, run_ledger, warehouse_roles
from luigi_tasks.gateways.guarded_store import guard
from luigi_tasks.gateways.objects import ObjectStore, open_store
from luigi_tasks.settings import Settings, origins
from luigi_tasks.steps import access
from luigi_tasks.warehouse import migrate

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

log = logging.getLogger("luigi-interface")


def open_warehouse(settings: Settings) -> list[str]:
    """Start the embedded server when it is the one to use, migrate, write the profile for dbt by hand.

    Returns the names of the migrations that were applied now.
    """
    connection = postgres.connect(settings, as_owner=True)
    try:
        applied = migrate.migrate(connection)
        with connection, connection.cursor() as cursor:
            _share_out(cursor, anew=bool(applied))
    finally:
        connection.close()
    _write_profile_for_dbt_by_hand(settings)
    return [f"{migration.version:04}_{migration.name}" for migration in applied]


def complete_runs(settings: Settings, run_keys: Collection[str]) -> set[str]:
    """Which of these runs are complete, on a warehouse that may not be there yet."""
    open_warehouse(settings)
    with postgres.transaction(settings) as cursor:
        return run_ledger.complete_runs(cursor, list(run_keys))


def _share_out(cursor: Cursor, *, anew: bool) -> None:
    """Let each role have what it needs before the first step is the loader, and dbt by hand the transformer."""
    if not warehouse_roles.available(cursor):
        log.warning(warehouse_roles.GOES_WITHOUT)
    elif anew or not warehouse_roles.complete(cursor):
        warehouse_roles.hand_over(cursor)


def _write_profile_for_dbt_by_hand(settings: Settings) -> None:
    """profiles.yml beside dbt_project says what .env, luigi.cfg and the defaults say.

    What only this shell knows would not be known by the next one, so it is not written.
    """
    repository = dbt_profile.REPOSITORY
    if not os.access(repository, os.W_OK):  # an installation for several users: ~/.dbt is theirs to fill
        return
    deciding = origins().get("draenei_home" if settings.embedded else "pghost", "default")
    if deciding != "environment":
        role = warehouse_roles.TRANSFORMER if dbt_login.is_own(settings) else ""
        dbt_profile.write_profile(repository, dbt_login.address(settings), embedded=settings.embedded, role=role)
    elif not (repository / "profiles.yml").exists():
        dbt_profile.write_profile(repository, None)


class Session:
    """Holds the lock of a source while its process lives, and settles the runs that it opened."""

    def __init__(self, settings: Settings, source: str) -> None:
        self.settings = settings
        self.runs: list[str] = []
        self._owner = os.getpid()
        crash_point("run.lock.before")
        self._lock: Connection = pipeline_lock.take(settings, source)
        crash_point("run.lock.after")

    def open(self, run: Run) -> None:
        """Enter a run as running, once. Raises SettingsError when its pictures would mix with a demo's."""
        if run.key in self.runs:
            return
        crash_point("run.open.before")
        address = access.address(self.settings, run.query)
        with postgres.transaction(self.settings) as cursor:
            refuse_to_mix(run_ledger.source_addresses(cursor, run.query.source), address, run.query.source)
            made_with = run_ledger.Circumstances(CODE_VERSION, self.settings.digest(), address)
            crash_point("run.enter.before")
            run_ledger.open_run(cursor, run, made_with, alive=self.runs)
            crash_point("run.enter.after")
        self.runs.append(run.key)
        crash_point("run.open.after")

    def close(self) -> None:
        """Settle what is still running as failed and give the lock back; a forked child leaves both alone."""
        if os.getpid() != self._owner or self._lock.closed:
            return
        with postgres.transaction(self.settings) as cursor:
            for run_key in self.runs:
                crash_point("run.settle.before")
                run_ledger.settle_run(cursor, run_key)
        crash_point("run.settle.after")
        crash_point("run.unlock.before")
        self._lock.close()
        crash_point("run.unlock.after")


def refuse_to_mix(earlier: list[str], address: str, source: str = "wallhaven") -> None:
    """Invented records of a stand-in must not end up beside real ones. Raises SettingsError."""
    others = [url for url in earlier if _is_local(url) != _is_local(address)]
    if others and _is_local(address):
        raise SettingsError(
            f"the warehouse holds what a real source said, {address} is a stand-in",
            where=others[0],
            mend=f"Set another DRAENEI_HOME, or unset {source.upper()}_API_URL.",
        )
    if others:
        raise SettingsError(
            f"the warehouse holds what a stand-in invented, {address} is a real source",
            where=others[0],
            mend="Remove the demo's data with `make clean`, or set another DRAENEI_HOME.",
        )


def _is_local(url: str) -> bool:
    return urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"}


def guarded_store(settings: Settings, run: Run) -> ObjectStore:
    """The same, made safe where its own manners are not, for what puts; probed once a run. Raises StoreError."""
    return guard(settings, run.key, checked_store(settings))[0]


def checked_store(settings: Settings) -> ObjectStore:
    """The object store, after it was shown that it can be written to. Raises StoreError."""
    store = open_store(settings)
    try:
        store.check()
    except StoreError as problem:
        problem.mend = problem.mend or "See `python -m luigi_tasks doctor`."
        raise
    return store
