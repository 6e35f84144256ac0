"""Objects against the rows that own one each: what the checks of derivatives, datasets and the clean zone share."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import ClassVar, Protocol

from luigi_tasks.domain.damage import Checked, Damage, Part
from luigi_tasks.domain.errors import StoreError
from luigi_tasks.gateways.fsck_ledger import Claims
from luigi_tasks.gateways.objects import ObjectHead, ObjectStore


class Row(Protocol):
    """A row that says which object there is. sha256 in hex, bytes: of that object."""

    @property
    def object_key(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def bytes(self) -> int: ...


class RowCheck:
    """A check says where its objects are and what two of its damages are called, and takes the rows."""

    FOLDER: ClassVar[str]
    MISSING: ClassVar[Damage]
    WRONG: ClassVar[Damage]

    def __init__(
        self, store: ObjectStore, part: Part, heads: Mapping[str, ObjectHead], claims: Claims, checked: Checked
    ) -> None:
        self._store, self._part, self._claims, self._checked = store, part, claims, checked
        self._heads = {key: head for key, head in heads.items() if key.startswith(self.FOLDER)}
        self._owned: set[str] = set()
        self._sound: dict[str, Row] = {}

    def to_read(self) -> list[ObjectHead]:
        """The objects of rows without a finding."""
        return [self._heads[key] for key in sorted(self._sound.keys() & self._heads.keys())]

    def judge_bytes(self, head: ObjectHead, body: bytes | StoreError) -> None:
        """What the bytes tell."""
        row = self._sound[head.key]
        if isinstance(body, StoreError):
            self._checked.add(self.WRONG, head.key, body.what)
        elif (digest := hashlib.sha256(body).hexdigest()) != row.sha256:
            self._checked.add(self.WRONG, head.key, f"sha256 {digest}, the row says {row.sha256}")

    def _compare(self, row: Row, told: str) -> None:
        """Judge a row by the listing. told: what to say of it when its object is missing."""
        self._owned.add(row.object_key)
        head = self._heads.get(row.object_key) or self._store.head(row.object_key)
        if head is None:
            self._checked.add(self.MISSING, row.object_key, told)
        elif head.size != row.bytes:
            self._checked.add(self.WRONG, row.object_key, f"{head.size} bytes, the row says {row.bytes}")
        else:
            self._sound[row.object_key] = row

    def _strays(self) -> list[str]:
        """Keys of the objects that no row owns."""
        return sorted(self._heads.keys() - self._owned)
