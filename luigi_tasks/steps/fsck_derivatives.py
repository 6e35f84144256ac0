"""The bucket's derivatives against the ledger's rows. One without a row is no damage: the next Derive takes it up."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from luigi_tasks.domain.damage import Checked, Damage, DerivativeRow, Part
from luigi_tasks.domain.errors import StoreError
from luigi_tasks.gateways.objects import ObjectHead, ObjectStore


class DerivativeCheck:
    """take() every row, then judge_bytes() of what to_read() names."""

    def __init__(self, store: ObjectStore, part: Part, heads: Mapping[str, ObjectHead], checked: Checked) -> None:
        self._store, self._part, self._heads, self._checked = store, part, heads, checked
        self._sound: dict[str, DerivativeRow] = {}

    def take(self, row: DerivativeRow) -> None:
        """Judge a row of the part by the listing."""
        if not self._part.has_key(row.object_key):
            return
        self._checked.derivatives += 1
        head = self._heads.get(row.object_key) or self._store.head(row.object_key)
        if head is None:
            self._checked.add(Damage.DERIVATIVE_WITHOUT_OBJECT, row.object_key, "the ledger says it was made")
        elif head.size != row.bytes:
            self._checked.add(Damage.WRONG_DERIVATIVE, row.object_key, f"{head.size} bytes, the row says {row.bytes}")
        else:
            self._sound[row.object_key] = row

    def to_read(self) -> list[ObjectHead]:
        """The objects of rows without a finding."""
        return [self._heads[key] for key in sorted(self._sound.keys() & self._heads.keys())]

    def judge_bytes(self, head: ObjectHead, body: bytes | StoreError) -> None:
        """What the bytes tell."""
        row = self._sound[head.key]
        if isinstance(body, StoreError):
            self._checked.add(Damage.WRONG_DERIVATIVE, head.key, body.what)
        elif (digest := hashlib.sha256(body).hexdigest()) != row.sha256:
            self._checked.add(Damage.WRONG_DERIVATIVE, head.key, f"sha256 {digest}, the row says {row.sha256}")
