"""A small collection that was really published, over a folder or a bucket, and ways to damage it behind its back."""

from __future__ import annotations

import datetime
import hashlib
import json
from typing import Any

from luigi_tasks.domain.damage import Checked, Part, Repair
from luigi_tasks.domain.envelope import Envelope, pack
from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways import page_ledger, postgres
from luigi_tasks.gateways.objects import ObjectStore, open_store
from luigi_tasks.gateways.s3_store import S3Store
from luigi_tasks.settings import Settings
from luigi_tasks.steps.derive import derive
from luigi_tasks.steps.fsck import fsck
from luigi_tasks.steps.publish import publish
from luigi_tasks.steps.repair import Repairer
from tests.integration.publish_fixtures import EPOCH, Publishing
from tests.pictures import picture

IDS = ("aaaaa0", "aaaaa1", "aaaaa2")
KEYS = ("wallpapers/aaaaa0.jpg", "wallpapers/aaaaa1.png", "wallpapers/aaaaa2.png")
WHOLE = Part()
MOMENT = datetime.datetime(2026, 11, 21, 12, 0, tzinfo=datetime.UTC)


class Collection:
    """Three pictures and two raw pages of one run that succeeded."""

    def __init__(self, publishing: Publishing, bucket: dict[str, Any] | None = None) -> None:
        self.publishing, self.warehouse, self._bucket = publishing, publishing.warehouse, bucket or {}
        self.store: ObjectStore = open_store(self.settings())
        for seed, wallhaven_id in enumerate(IDS):
            publishing.offer(wallhaven_id, picture("PNG" if seed else "JPEG", seed=seed))
        self.run_key = self.collect("2026-11-21T07:00")
        self.pages = [self._page("page-00001", IDS[:2]), self._page("page-00002", IDS[2:])]

    def settings(self, **different: object) -> Settings:
        """Settings of this collection's database and store."""
        return self.publishing.settings(**self._bucket, **different)

    def collect(self, run_id: str) -> str:
        """Publish what is pending as a run that succeeds; pending is whatever the source shows and is not stored."""
        run_key = self.publishing.freeze(run_id)
        publish(self.settings(), run_key, self.store, Silent())
        self.warehouse.rows("update ops.runs set state = 'succeeded', finished_at = now()")
        return run_key

    def describe(self, wallhaven_id: str) -> None:
        """A raw record of one more wallpaper, as a Load would have brought it."""
        self.warehouse.rows(
            "insert into raw.wallhaven_search select body_sha256, 9, %s, payload, batch_id, fetched_at"
            " from raw.wallhaven_search limit 1",
            wallhaven_id,
        )

    def show_again(self) -> None:
        """The work list as a dbt view would have it: every picture of the source, until it is stored."""
        for wallhaven_id, body in list(self.publishing.bodies.items()):
            self.warehouse.rows("delete from draenei_content.pending_uploads where wallhaven_id = %s", wallhaven_id)
            self.publishing.offer(wallhaven_id, body)

    def check(self, *, deep: bool = True, part: Part = WHOLE) -> Checked:
        """One fsck."""
        return fsck(self.settings(), self.store, part, deep=deep, progress=Silent())

    def found(self, *, deep: bool = True) -> list[tuple[str, str]]:
        """Damage and key of every finding."""
        return [(str(finding.damage), finding.key) for finding in self.check(deep=deep).findings]

    def repair(self, moment: datetime.datetime = MOMENT) -> list[Repair]:
        """Check deeply and repair everything."""
        return Repairer(self.settings(), self.store, moment).repair(self.check(), Silent())

    def derivatives(self) -> list[str]:
        """Make what the pictures lack; the keys of all derivatives."""
        derive(self.settings(), self.run_key, "wallhaven", self.store, Silent())
        return [head.key for head in self.store.list("derivatives/")]

    def body(self, number: int) -> bytes:
        """The true bytes of a picture."""
        return self.publishing.bodies[IDS[number]]

    def bytes_by_key(self) -> dict[str, bytes]:
        """Everything in the bucket."""
        return {head.key: self.store.get(head.key) for head in self.store.list("")}

    def write(self, key: str, body: bytes, content_type: str = "image/png", sha256: str | None = None) -> None:
        """Put an object as a stranger would: over what is there, described as he likes."""
        said = sha256 or hashlib.sha256(body).hexdigest()
        if isinstance(self.store, S3Store):
            self.store._client.put_object(
                Bucket=self.store.bucket, Key=key, Body=body, ContentType=content_type, Metadata={"sha256": said}
            )
            return
        path = self.publishing.store.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        meta = self.publishing.store.root / ".meta" / key
        meta.mkdir(parents=True, exist_ok=True)
        for sidecar in meta.iterdir():
            sidecar.unlink()
        (meta / f"{said}.json").write_text(json.dumps({"content_type": content_type, "metadata": {"sha256": said}}))

    def _page(self, name: str, ids: tuple[str, ...]) -> str:
        key, packed, envelope = self.packed(name, self.run_key, ids)
        self.write(key, packed, "application/gzip")
        with postgres.transaction(self.settings()) as cursor:
            page_ledger.enter_page(cursor, envelope, key)
            batch_id = page_ledger.open_batch(cursor, self.run_key)
            for position, record_id in enumerate(ids):
                cursor.execute(
                    "insert into raw.wallhaven_search values (%s, %s, %s, '{}', %s, now())",
                    (envelope.sha256, position, record_id, batch_id),
                )
        return key

    def packed(self, name: str, run_key: str, ids: tuple[str, ...], body: bytes = b"") -> tuple[str, bytes, Envelope]:
        """Key, bytes and envelope of a raw page."""
        body = body or json.dumps(ids).encode()
        query_key, _, run_id = run_key.rpartition("/")
        key = f"raw/{query_key}/{run_id.replace('-', '').replace(':', '')}Z/search/{name}.gz"
        digest = hashlib.sha256(body).hexdigest()
        headers = {"content-type": "application/json"}
        envelope = Envelope(
            run_key, "wallhaven", "search", name, {}, 200, headers, EPOCH, digest, len(body), "test"
        )  # fmt: skip
        return key, pack(envelope, body), envelope
