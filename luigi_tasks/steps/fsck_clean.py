"""The clean zone against its ledgers, both ways. A file whose response has a newer one is an earlier version of it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from luigi_tasks.domain.damage import CLEAN, DATASETS, Checked, CleanRow, Damage, Part
from luigi_tasks.domain.errors import StoreError
from luigi_tasks.gateways import clean_ledger
from luigi_tasks.gateways.fsck_ledger import Claims
from luigi_tasks.gateways.objects import ObjectHead, ObjectStore

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

OF_A_RESPONSE = re.compile(r"clean/([a-z0-9_]+)/([a-z0-9_]+)/([0-9a-f]{16})-[0-9a-f]{16}\.parquet")
OF_A_DATASET = re.compile(r"clean/[a-z0-9_]+/pictures/(.+/)[^/]+\.parquet")


class CleanCheck:
    """take() every row, then judge() what no row owns, then judge_bytes() of what to_read() names."""

    def __init__(
        self, store: ObjectStore, part: Part, heads: Mapping[str, ObjectHead], claims: Claims, checked: Checked
    ) -> None:
        self._store, self._part, self._claims, self._checked = store, part, claims, checked
        self._heads = {key: head for key, head in heads.items() if key.startswith(CLEAN)}
        self._owned: set[str] = set()
        self._sound: dict[str, CleanRow] = {}

    def take(self, row: CleanRow) -> None:
        """Judge a row of the part by the listing."""
        if not self._part.has_key(row.object_key):
            return
        self._checked.files += 1
        self._owned.add(row.object_key)
        head = self._heads.get(row.object_key) or self._store.head(row.object_key)
        if head is None:
            self._checked.add(Damage.CLEAN_WITHOUT_OBJECT, row.object_key, "the ledger says it was written")
        elif head.size != row.bytes:
            self._checked.add(Damage.WRONG_CLEAN, row.object_key, f"{head.size} bytes, the row says {row.bytes}")
        else:
            self._sound[row.object_key] = row

    def judge(self, cursor: Cursor) -> None:
        """The objects that no row owns: an earlier version, of a run that may go on, or nobody's."""
        strays = sorted(self._heads.keys() - self._owned)
        parts = {key: found.groups() for key in strays if (found := OF_A_RESPONSE.fullmatch(key))}
        known = clean_ledger.known_responses(cursor, set(parts.values()))
        for key in strays:
            if key in parts and parts[key] in known:
                self._checked.unfinished += not known[parts[key]]
            elif (found := OF_A_DATASET.fullmatch(key)) and DATASETS + found[1] in self._claims.open_datasets:
                self._checked.unfinished += 1
            else:
                self._checked.add(Damage.CLEAN_WITHOUT_ROW, key, "made of no response that the ledger knows")

    def to_read(self) -> list[ObjectHead]:
        """The objects of rows without a finding."""
        return [self._heads[key] for key in sorted(self._sound.keys() & self._heads.keys())]

    def judge_bytes(self, head: ObjectHead, body: bytes | StoreError) -> None:
        """What the bytes tell."""
        row = self._sound[head.key]
        if isinstance(body, StoreError):
            self._checked.add(Damage.WRONG_CLEAN, head.key, body.what)
        elif (digest := hashlib.sha256(body).hexdigest()) != row.sha256:
            self._checked.add(Damage.WRONG_CLEAN, head.key, f"sha256 {digest}, the row says {row.sha256}")
