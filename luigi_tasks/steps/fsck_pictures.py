"""The originals of the bucket against the rows that count as stored, both ways."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping

from luigi_tasks.domain.damage import (
    EXTENSIONS,
    PICTURES,
    RAW,
    Checked,
    Damage,
    Part,
    StoredRow,
    id_of,
    speaks_of,
)
from luigi_tasks.domain.errors import StoreError
from luigi_tasks.domain.publishing import Flag
from luigi_tasks.gateways.fsck_ledger import Claims
from luigi_tasks.gateways.objects import ObjectHead, ObjectStore


class PictureCheck:
    """take() every row, then judge() what the listing tells, then judge_bytes() of what to_read() names."""

    def __init__(
        self, store: ObjectStore, part: Part, heads: Mapping[str, ObjectHead], claims: Claims, checked: Checked
    ) -> None:
        self._store, self._part, self._claims, self._checked = store, part, claims, checked
        self._heads, self._rows = heads, defaultdict[str, list[StoredRow]](list)
        self._owners: dict[str, StoredRow] = {}
        self._sound: list[StoredRow] = []
        self._unfinished: set[str] = set()

    def take(self, row: StoredRow) -> None:
        """Remember a row when it or the key that it claims belongs to the part."""
        own = self._part.has(row.wallhaven_id)
        if own or self._part.has_key(row.s3_key):
            first = self._owners.setdefault(row.s3_key, row)
            if id_of(row.s3_key) not in (first.wallhaven_id, None) and id_of(row.s3_key) == row.wallhaven_id:
                self._owners[row.s3_key] = row  # two claim it: it is his whom it names
        if own:
            self._rows[row.wallhaven_id].append(row)
            self._checked.rows += 1

    def judge(self) -> None:
        """What rows and listing tell."""
        for rows in self._rows.values():
            if len(rows) > 1:
                self._checked.add(Damage.DUPLICATE_ROWS, rows[0].s3_key, f"{len(rows)} rows", row=rows[0])
            self._judge_row(rows[0])
        for head in self._heads.values():
            if head.key not in self._owners:
                self._judge_object(head)
        self._judge_intents()

    def to_read(self) -> list[ObjectHead]:
        """The objects of rows without a finding, and those that an intent owns."""
        keys = {row.s3_key for row in self._sound} | self._unfinished
        return [self._heads[key] for key in sorted(keys & self._heads.keys())]

    def judge_bytes(self, head: ObjectHead, body: bytes | StoreError) -> None:
        """What the bytes tell."""
        row = self._owners.get(head.key)
        if isinstance(body, StoreError):
            self._checked.add(Damage.UNREADABLE_OBJECT, head.key, body.what, row=row)
            return
        digest = hashlib.sha256(body).hexdigest()
        if row is None:
            self._judge_unfinished(head.key, digest)
        elif digest != row.sha256:
            self._checked.add(Damage.WRONG_BYTES, head.key, f"sha256 {digest}, the row says {row.sha256}", row=row)
        else:
            self._judge_description(row)

    def _judge_row(self, row: StoredRow) -> None:
        damage, detail = self._damage_of(row)
        if damage:
            self._checked.add(damage, row.s3_key, detail, row=row)
        else:
            self._sound.append(row)

    def _damage_of(self, row: StoredRow) -> tuple[Damage | None, str]:
        if {row.wallhaven_id, row.sha256} & self._claims.tombstones:
            there = row.s3_key in self._heads
            return (Damage.TOMBSTONED_OBJECT if there else Damage.TOMBSTONED_ROW), "was taken down"
        if id_of(row.s3_key) != row.wallhaven_id:
            return Damage.KEY_OF_ANOTHER_ID, f"the row is that of {row.wallhaven_id}"
        extension = EXTENSIONS.get(row.content_type or "")
        if Flag.FILE_TYPE not in row.flags and extension and not row.s3_key.endswith(f".{extension}"):
            return Damage.WRONG_EXTENSION, f"the row says {row.content_type}"
        if not row.known:
            return Damage.UNKNOWN_WALLPAPER, "no raw record has this id"
        return self._damage_of_size(row)

    def _damage_of_size(self, row: StoredRow) -> tuple[Damage | None, str]:
        head = self._heads.get(row.s3_key) or self._store.head(row.s3_key)
        if head is None:
            return Damage.ROW_WITHOUT_OBJECT, f"stored by {row.run_key}"
        if not head.size:
            return Damage.EMPTY_OBJECT, f"0 of {row.bytes} bytes"
        if head.size != row.bytes:
            return Damage.WRONG_SIZE, f"{head.size} bytes, the row says {row.bytes}"
        return None, ""

    def _judge_object(self, head: ObjectHead) -> None:
        """An object that no row owns."""
        key, wallhaven_id = head.key, id_of(head.key)
        if not key.startswith(RAW) and speaks_of(key, self._claims.tombstones):
            self._checked.add(Damage.TOMBSTONED_OBJECT, key, "was taken down")
        elif not key.startswith(PICTURES):
            return
        elif wallhaven_id is None:
            self._checked.add(Damage.FOREIGN_OBJECT, key, "not wallpapers/<id>.jpg or .png")
        elif self._claims.intents.get(wallhaven_id, ("", ""))[0] == key:
            self._unfinished.add(key)
            self._checked.unfinished += 1
        elif not head.size:
            self._checked.add(Damage.EMPTY_OBJECT, key, "and no row owns it")
        elif rows := self._rows.get(wallhaven_id):
            self._checked.add(Damage.SECOND_KEY, key, f"the row owns {rows[0].s3_key}")
        else:
            self._checked.add(Damage.OBJECT_WITHOUT_ROW, key, f"{head.size} bytes")

    def _judge_intents(self) -> None:
        for wallhaven_id, (key, _) in self._claims.intents.items():
            if self._part.has(wallhaven_id) and wallhaven_id in self._rows:
                self._checked.add(Damage.STALE_INTENT, key, "the picture is stored", row=self._rows[wallhaven_id][0])

    def _judge_unfinished(self, key: str, digest: str) -> None:
        """An object that an intent owns is unfinished only when it holds what was intended."""
        intended = self._claims.intents[id_of(key) or ""][1]
        if digest in self._claims.tombstones:
            self._checked.add(Damage.TOMBSTONED_OBJECT, key, "these bytes were taken down")
        elif digest != intended:
            self._checked.unfinished -= 1
            self._checked.add(Damage.OBJECT_WITHOUT_ROW, key, f"the intent is about sha256 {intended}")

    def _judge_description(self, row: StoredRow) -> None:
        head = self._store.head(row.s3_key)
        if head is None:
            return
        said = head.metadata.get("sha256", row.sha256)
        if said != row.sha256 or (head.sha256 or said) != row.sha256:
            self._checked.add(Damage.WRONG_METADATA_SHA256, row.s3_key, f"it says {said}", row=row)
        elif row.content_type and head.content_type != row.content_type:
            detail = f"{head.content_type}, the row says {row.content_type}"
            self._checked.add(Damage.WRONG_CONTENT_TYPE, row.s3_key, detail, row=row)
