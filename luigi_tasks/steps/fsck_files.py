"""The lake's files of archives against the ledger's rows, both ways."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from luigi_tasks.domain.damage import DATASETS, Checked, Damage, FileRow, Part
from luigi_tasks.domain.errors import StoreError
from luigi_tasks.gateways.fsck_ledger import Claims
from luigi_tasks.gateways.objects import ObjectHead, ObjectStore


class FileCheck:
    """take() every row, then judge() what no row owns, then judge_bytes() of what to_read() names."""

    def __init__(
        self, store: ObjectStore, part: Part, heads: Mapping[str, ObjectHead], claims: Claims, checked: Checked
    ) -> None:
        self._store, self._part, self._claims, self._checked = store, part, claims, checked
        self._heads = {key: head for key, head in heads.items() if key.startswith(DATASETS)}
        self._owned: set[str] = set()
        self._sound: dict[str, FileRow] = {}

    def take(self, row: FileRow) -> None:
        """Judge a row of the part by the listing."""
        if not self._part.has_key(row.object_key):
            return
        if row.sha256 in self._claims.tombstones:
            if row.object_key in self._heads:
                self._owned.add(row.object_key)
                self._checked.add(Damage.TOMBSTONED_OBJECT, row.object_key, "was taken down")
            return
        if row.lost:
            return
        self._checked.files += 1
        self._owned.add(row.object_key)
        head = self._heads.get(row.object_key) or self._store.head(row.object_key)
        if head is None:
            self._checked.add(Damage.FILE_WITHOUT_OBJECT, row.object_key, f"stored for {row.dataset}")
        elif head.size != row.bytes:
            self._checked.add(Damage.WRONG_FILE, row.object_key, f"{head.size} bytes, the row says {row.bytes}")
        else:
            self._sound[row.object_key] = row

    def judge(self) -> None:
        """The objects that no row owns: of a run that may go on, or nobody's."""
        for key in self._heads.keys() - self._owned:
            if key.startswith(self._claims.open_datasets):
                self._checked.unfinished += 1
            else:
                self._checked.add(Damage.FILE_WITHOUT_ROW, key, "no row of a dataset owns it")

    def to_read(self) -> list[ObjectHead]:
        """The objects of rows without a finding."""
        return [self._heads[key] for key in sorted(self._sound.keys() & self._heads.keys())]

    def judge_bytes(self, head: ObjectHead, body: bytes | StoreError) -> None:
        """What the bytes tell."""
        row = self._sound[head.key]
        if isinstance(body, StoreError):
            self._checked.add(Damage.WRONG_FILE, head.key, body.what)
        elif (digest := hashlib.sha256(body).hexdigest()) != row.sha256:
            self._checked.add(Damage.WRONG_FILE, head.key, f"sha256 {digest}, the row says {row.sha256}")
