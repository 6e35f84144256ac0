"""Takedown: a picture and everything made of it leave the bucket, and a tombstone keeps it out. This one deletes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from luigi_tasks.domain.damage import ASIDE, DATASETS, DERIVATIVES, EXTENSIONS, PICTURES, speaks_of
from luigi_tasks.domain.errors import SettingsError
from luigi_tasks.domain.faults import crash_point
from luigi_tasks.gateways import postgres, takedown_ledger
from luigi_tasks.gateways.objects import ObjectStore, obliterate
from luigi_tasks.gateways.takedown_ledger import Concerned
from luigi_tasks.settings import Settings
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.sources.contract import Archived
from luigi_tasks.steps import takedown_facts, tombstones

TARGET = re.compile(r"[A-Za-z0-9]{1,32}|[0-9a-f]{64}")


@dataclass(frozen=True)
class Plan:
    """What a takedown would do: who is concerned, and the keys of the objects that would be deleted.

    former: keys under which nothing stands now, and of which a store may have kept versions. facts: Parquet files of
    the lake that speak of the bytes, each to be written anew without them. unread: those of them that nobody can read,
    each to be deleted, for nobody knows that it does not speak of them.
    """

    about: Concerned
    keys: tuple[str, ...]
    former: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def archives(self) -> list[str]:
        """The sources of archives when it changes their files too: their locks are to be held as well."""
        is_of_archives = self.facts or any(key.startswith(DATASETS) for key in self.keys)
        return [name for name, source in CATALOGUE.items() if is_of_archives and isinstance(source, Archived)]


def plan(settings: Settings, store: ObjectStore, target: str) -> Plan:
    """What an id or a SHA-256 in hex is about: by the ledger, and by what the bucket's listing says. Writes nothing.

    Raises SettingsError when the target is neither.
    """
    if not TARGET.fullmatch(target):
        raise SettingsError(f"{target[:80]!r} is neither a wallpaper's id nor a SHA-256", mend="Give one of them.")
    with postgres.transaction(settings) as cursor:
        about = takedown_ledger.concerned(cursor, target)
        known = takedown_ledger.keys(cursor, about)
        files = takedown_ledger.files(cursor, about)
    # A ledger's key may be another wallpaper's by now; what deletes looks at the name once more.
    names = frozenset((*about.ids, *about.hashes))
    there = {key for key in known if speaks_of(key, names) and store.head(key) is not None}
    there |= {key for key, sha256 in files.items() if _holds(store, key, sha256)}
    there |= set(_listed(store, about, names))
    former = {key for key in known if speaks_of(key, names)} - there
    facts = takedown_facts.holding(store, about.hashes)
    unread = tuple(sorted(key for key, is_read in facts.items() if not is_read))
    return Plan(about, tuple(sorted(there)), tuple(sorted(former)), tuple(sorted(facts)), unread)


def take_down(settings: Settings, store: ObjectStore, intended: Plan, reason: str) -> list[str]:
    """Bury first, delete then: killed in between, nothing comes back, and the same command deletes the rest.

    Returns the keys of which the store may have kept versions that it does not let go. The caller holds the pipeline's
    lock: no run may be about to put what is taken down.
    """
    kept = []
    with postgres.transaction(settings) as cursor:
        crash_point("takedown.bury.before")
        takedown_ledger.bury(cursor, intended.about, reason)
    crash_point("takedown.bury.after")
    tombstones.keep(settings, store)
    for key in (*intended.keys, *intended.former):
        crash_point("takedown.remove.before")
        if not obliterate(store, key):
            kept.append(key)
        crash_point("takedown.remove.after")
    for key in intended.facts:
        _, is_gone = takedown_facts.rewrite(settings, store, key, intended.about.hashes)
        kept += [] if is_gone else [key]
    return kept


def lift(settings: Settings, store: ObjectStore, target: str, reason: str) -> list[str]:
    """Let a wallpaper, or bytes, be collected again, and all that was taken down with it; returns what it was about.

    The bytes are not here any more: the wallpaper is pending, and comes back if the source still has it. Raises
    SettingsError when no takedown of it stands. The caller holds the pipeline's lock.
    """
    if not TARGET.fullmatch(target):
        raise SettingsError(f"{target[:80]!r} is neither a wallpaper's id nor a SHA-256", mend="Give one of them.")
    with postgres.transaction(settings) as cursor:
        lifted = takedown_ledger.lift(cursor, takedown_ledger.concerned(cursor, target), reason)
    if not lifted:
        raise SettingsError(f"no takedown of {target} stands", mend="See `python -m luigi_tasks takedown list`.")
    tombstones.keep(settings, store)
    return lifted


def _holds(store: ObjectStore, key: str, sha256: str) -> bool:
    """A file's key does not name its bytes, so they are read."""
    return store.head(key) is not None and hashlib.sha256(store.get(key)).hexdigest() == sha256


def _listed(store: ObjectStore, about: Concerned, names: frozenset[str]) -> Iterator[str]:
    """Originals by their two possible keys, derivatives and copies moved aside by their names."""
    for wallhaven_id in about.ids:
        for extension in EXTENSIONS.values():
            if store.head(f"{PICTURES}{wallhaven_id}.{extension}") is not None:
                yield f"{PICTURES}{wallhaven_id}.{extension}"
    for prefix in (DERIVATIVES, ASIDE):
        yield from (head.key for head in store.list(prefix) if speaks_of(head.key, names))
