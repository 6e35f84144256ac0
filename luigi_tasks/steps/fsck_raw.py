"""The raw zone of the bucket against the ledger of pages, both ways."""

from __future__ import annotations

from collections.abc import Mapping

from luigi_tasks.domain.damage import RAW, RAW_KEY, Checked, Damage, Finding, Part, RawPage
from luigi_tasks.domain.envelope import EVIDENCE, unpack
from luigi_tasks.domain.errors import StoreError
from luigi_tasks.gateways.fsck_ledger import Claims
from luigi_tasks.gateways.objects import ObjectHead, ObjectStore


class RawCheck:
    """take() every page, then judge() what the listing tells, then judge_bytes() of what to_read() names."""

    def __init__(
        self, store: ObjectStore, part: Part, heads: Mapping[str, ObjectHead], claims: Claims, checked: Checked
    ) -> None:
        self._store, self._part, self._claims, self._checked = store, part, claims, checked
        self._heads = {key: head for key, head in heads.items() if key.startswith(RAW)}
        self._pages: dict[str, RawPage] = {}
        self._to_read: set[str] = set()

    def take(self, page: RawPage) -> None:
        """Remember a page when it belongs to the part."""
        if self._part.has_key(page.object_key):
            self._pages[page.object_key] = page
            self._checked.pages += 1

    def judge(self) -> None:
        """What rows and listing tell."""
        for key, page in self._pages.items():
            head = self._heads.get(key)
            if page.lost:
                self._checked.lost_pages += 1
            elif head is None and self._store.head(key) is None:
                self._add(Damage.RAW_PAGE_WITHOUT_OBJECT, key, f"{page.entity} {page.page_name} of {page.run_key}")
            elif head and not head.size:
                self._add(Damage.EMPTY_OBJECT, key, "0 bytes")
            elif head:
                self._to_read.add(key)
        for key in self._heads.keys() - self._pages.keys():
            self._judge_object(key)

    def to_read(self) -> list[ObjectHead]:
        """The objects of pages, and the evidence."""
        return [self._heads[key] for key in sorted(self._to_read)]

    def judge_bytes(self, head: ObjectHead, body: bytes | StoreError) -> None:
        """What the bytes tell."""
        if isinstance(body, StoreError):
            self._add(Damage.UNREADABLE_OBJECT, head.key, body.what)
            return
        try:
            envelope, _ = unpack(body)
        except (StoreError, TypeError, KeyError) as problem:  # the latter two: an envelope with other fields
            self._add(Damage.RAW_BODY_MISMATCH, head.key, getattr(problem, "what", str(problem)))
            return
        page = self._pages.get(head.key)
        if page and envelope.sha256 != page.body_sha256:
            self._add(Damage.RAW_BODY_MISMATCH, head.key, f"sha256 {envelope.sha256}, the row says {page.body_sha256}")
        elif page and (envelope.run_key, envelope.entity, envelope.page_name) != (
            page.run_key,
            page.entity,
            page.page_name,
        ):
            said = f"{envelope.entity} {envelope.page_name} of {envelope.run_key}"
            self._add(Damage.RAW_ENVELOPE_MISMATCH, head.key, f"it says {said}")

    def _judge_object(self, key: str) -> None:
        """An object that no page owns."""
        if not RAW_KEY.fullmatch(key):
            self._add(Damage.FOREIGN_OBJECT, key, "not raw/….gz")
        elif EVIDENCE in key:
            self._to_read.add(key)
        elif key.startswith(self._claims.open_prefixes):
            self._checked.unfinished += 1
        else:
            self._add(Damage.RAW_OBJECT_WITHOUT_ROW, key, "its run is over, or was never here")

    def _add(self, damage: Damage, key: str, detail: str) -> None:
        self._checked.findings.append(Finding(damage, key, detail, page=self._pages.get(key)))
