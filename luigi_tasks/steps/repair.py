"""fsck --repair: from a twin object of the same hash, else by giving the row up so that the next Collect fetches anew.

No object is deleted or overwritten: what is damaged or nobody's is moved to aside/{time}/{its key}, by a copy that
was read back. ops.repairs says so before it happens, so that a repair that was killed is taken up by the next one.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from luigi_tasks.domain import envelope as envelopes
from luigi_tasks.domain.damage import ASIDE, Checked, Damage, Finding, RawPage, Repair, StoredRow, id_of
from luigi_tasks.domain.errors import SourceError, StoreError
from luigi_tasks.domain.faults import crash_point
from luigi_tasks.domain.progress import Progress
from luigi_tasks.gateways import fsck_ledger, postgres
from luigi_tasks.gateways.objects import ObjectMissing, ObjectStore, StoreUnavailable, move_aside
from luigi_tasks.settings import Settings
from luigi_tasks.steps import clean
from luigi_tasks.steps.refetch import Answer

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

GIVES_UP = frozenset(
    {
        Damage.ROW_WITHOUT_OBJECT,
        Damage.UNKNOWN_WALLPAPER,
        Damage.RAW_PAGE_WITHOUT_OBJECT,
        Damage.FILE_WITHOUT_OBJECT,
    }
)
Refetch = Callable[[RawPage], Answer]
FEW = 20  # so few rows may all be damaged without a wrong bucket being the likelier reason


def refuse_mass_repair(checked: Checked) -> None:
    """Raise StoreError when most of what the database knows is missing: then the bucket is the wrong one, or empty."""
    known = checked.rows + checked.pages + checked.files
    missing = sum(finding.damage in GIVES_UP for finding in checked.findings)
    if known >= FEW and missing * 2 > known:
        raise StoreError(
            f"{missing} of {known} objects are missing or unknown: hardly the bucket that the database is about",
            mend="Check BUCKET_NAME, DRAENEI_HOME and PG*; if it is, repair with --force.",
        )


class Repairer:
    """Repairs findings one by one. The caller holds every source's lock: no run may be at work.

    give_up: what a source cannot be asked for now is lost, too.
    """

    def __init__(
        self,
        settings: Settings,
        store: ObjectStore,
        now: datetime.datetime,
        refetch: Refetch | None = None,
        *,
        give_up: bool = False,
    ) -> None:
        self._settings, self._store, self._refetch, self._give_up = settings, store, refetch, give_up
        self._aside = f"{ASIDE}{now:%Y%m%dT%H%M%S}Z/"

    def repair(self, checked: Checked, progress: Progress) -> list[Repair]:
        """What was done about each finding, in their order. One that cannot be repaired is 'left', with words."""
        done: list[Repair] = []
        for finding in checked.findings:
            try:
                action, detail = self._ways[finding.damage](self, finding)
            except StoreUnavailable:
                raise
            except StoreError as problem:
                action, detail = "left", str(problem)
            done.append(Repair(finding.damage, finding.key, action, detail))
            progress.update(len(done), len(checked.findings))
        return done

    def _restore(self, finding: Finding) -> tuple[str, str]:
        """Put the right bytes back under the row's key; nowhere to be found: give the row up."""
        row = finding.row
        if row is None:
            return self._raw(finding) if finding.page else self._orphan(finding)
        source, good = self._good_bytes(row)
        action = "restored" if good is not None else "reopened"
        metadata = self._metadata(row)
        aside = self._move(finding, action)
        if good is None:
            self._lose(row)
            return action, f"the next Collect fetches it{aside}"
        self._put_back(row.s3_key, good, row.content_type or "application/octet-stream", metadata)
        return action, f"from {source}{aside}"

    def _good_bytes(self, row: StoredRow) -> tuple[str, bytes | None]:
        with postgres.transaction(self._settings) as cursor:
            candidates = [row.s3_key, *fsck_ledger.twins(cursor, row.s3_key, row.sha256)]
        for key in candidates:
            body = self._readable(key)
            if body is not None and hashlib.sha256(body).hexdigest() == row.sha256:
                return key, body
        return "", None

    def _readable(self, key: str) -> bytes | None:
        try:
            return self._store.get(key)
        except StoreUnavailable:
            raise
        except StoreError:
            return None  # a twin that cannot be read is none

    def _metadata(self, row: StoredRow) -> dict[str, str]:
        head = self._store.head(row.s3_key)
        found = dict(head.metadata) if head else {}
        return {**found, "wallhaven-id": row.wallhaven_id, "sha256": row.sha256, "run-key": row.run_key}

    def _orphan(self, finding: Finding) -> tuple[str, str]:
        aside = self._move(finding, "moved aside")
        if wallhaven_id := id_of(finding.key):
            with postgres.transaction(self._settings) as cursor:
                fsck_ledger.reopen_conflicts(cursor, wallhaven_id)
        return "moved aside", aside.removeprefix("; ")

    def _disown(self, finding: Finding) -> tuple[str, str]:
        """The row's key is not one that the row may have, or nothing describes the wallpaper: both are given up."""
        assert finding.row, "this damage is a row's"
        aside = self._move(finding, "reopened") if id_of(finding.key) in (finding.row.wallhaven_id, None) else ""
        self._lose(finding.row)
        return "reopened", f"the next Collect fetches what the source still shows{aside}"

    def _raw(self, finding: Finding) -> tuple[str, str]:
        """Fetched again where the source gives the same bytes; left where it gives none now, unless it is not to be
        waited for; else lost for good: its records stay, a replay goes without it."""
        answer = self._refetch(finding.page) if finding.page and self._refetch else Answer()
        if answer.later and not self._give_up:
            return "left", f"{answer.why}; repair again later, or if it never will: --give-up"
        aside = self._move(finding, "given up" if answer.packed is None else "restored")
        if finding.page and answer.packed is not None:
            self._put_back(finding.page.object_key, answer.packed, envelopes.CONTENT_TYPE, {})
            return "restored", f"the source gave the same bytes again{aside}"
        why = answer.why
        if finding.page:
            with postgres.transaction(self._settings) as cursor:
                fsck_ledger.give_page_up(cursor, finding.page.page_id)
        words = "its records stay, its bytes are lost for good, and a replay goes without them: restore a backup"
        return "given up", f"{words}{'; ' * bool(why)}{why}{aside}"

    def _put_back(self, key: str, body: bytes, content_type: str, metadata: Mapping[str, str]) -> None:
        sha256 = hashlib.sha256(body).hexdigest()
        crash_point("repair.restore.before")
        put = self._store.put_if_absent(key, body, content_type=content_type, sha256=sha256, metadata=metadata)
        crash_point("repair.restore.after")
        if put.sha256 != sha256:
            raise StoreError("other bytes are under the key again", where=key, mend="Run the repair again.")

    def _duplicates(self, finding: Finding) -> tuple[str, str]:
        """The first row whose bytes are there stays the stored one, else the first."""
        assert finding.row, "this damage is a row's"
        with postgres.transaction(self._settings) as cursor:
            rows = [row for row in fsck_ledger.stored_rows(cursor) if row.wallhaven_id == finding.row.wallhaven_id]
        true = next((row for row in rows if self._holds(row)), rows[0])
        with postgres.transaction(self._settings) as cursor:
            for row in rows:
                if row is not true:
                    fsck_ledger.lose_one(cursor, row.upload_id)
            self._note(cursor, finding, "mended", None)
        return "mended", f"{len(rows) - 1} rows count no more"

    def _holds(self, row: StoredRow) -> bool:
        body = self._readable(row.s3_key)
        return body is not None and hashlib.sha256(body).hexdigest() == row.sha256

    def _intent(self, finding: Finding) -> tuple[str, str]:
        assert finding.row, "this damage is a row's"
        with postgres.transaction(self._settings) as cursor:
            self._note(cursor, finding, "mended", None)
            fsck_ledger.forget_intent(cursor, finding.row.wallhaven_id)
        return "mended", "the intent is ended"

    def _leftover(self, finding: Finding) -> tuple[str, str]:
        self._store.check()
        return "mended", "swept, as every run does"

    def _derivative(self, finding: Finding) -> tuple[str, str]:
        aside = self._move(finding, "mended")
        with postgres.transaction(self._settings) as cursor:
            fsck_ledger.forget_derivative(cursor, finding.key)
        return "mended", f"the next Collect makes it{aside}"

    def _file(self, finding: Finding) -> tuple[str, str]:
        aside = self._move(finding, "mended")
        with postgres.transaction(self._settings) as cursor:
            fsck_ledger.lose_file(cursor, finding.key)
        return "mended", f"a Collect of its dataset stores what its archive has{aside}"

    def _clean(self, finding: Finding) -> tuple[str, str]:
        aside = self._move(finding, "mended")
        try:
            return "mended", clean.remake(self._settings, self._store, finding.key) + aside
        except SourceError as problem:
            raise StoreError(problem.what, where=problem.where, mend=problem.mend) from None

    def _unknown(self, finding: Finding) -> tuple[str, str]:
        return "left", "not ours to judge: move it out of the bucket if nobody needs it here"

    def _buried_row(self, finding: Finding) -> tuple[str, str]:
        assert finding.row, "this damage is a row's"
        self._lose(finding.row)
        return "mended", "it counts as stored no more"

    def _leave(self, finding: Finding) -> tuple[str, str]:
        name = finding.row.wallhaven_id if finding.row else id_of(finding.key) or "ID"
        return "left", f"fsck deletes nothing; type: python -m luigi_tasks takedown add {name} --reason TEXT --yes"

    def _lose(self, row: StoredRow) -> None:
        with postgres.transaction(self._settings) as cursor:
            crash_point("repair.lose.before")
            fsck_ledger.lose(cursor, row.wallhaven_id)
        crash_point("repair.lose.after")

    def _move(self, finding: Finding, action: str) -> str:
        """Move what stands under the finding's key aside; words for where, '' when nothing stands there."""
        aside = self._aside + finding.key
        there = self._store.head(finding.key) is not None
        with postgres.transaction(self._settings) as cursor:
            crash_point("repair.note.before")
            self._note(cursor, finding, action, aside if there else None)
        crash_point("repair.note.after")
        if not there:
            return ""
        try:
            move_aside(self._store, finding.key, aside)
        except ObjectMissing:
            return ""
        return f"; was moved to {aside}"

    def _note(self, cursor: Cursor, finding: Finding, action: str, aside: str | None) -> None:
        wallhaven_id = finding.row.wallhaven_id if finding.row else id_of(finding.key)
        fsck_ledger.enter_repair(cursor, finding.damage, finding.key, wallhaven_id, action, aside)

    _ways: Mapping[Damage, Callable[[Repairer, Finding], tuple[str, str]]] = {
        Damage.ROW_WITHOUT_OBJECT: _restore,
        Damage.EMPTY_OBJECT: _restore,
        Damage.WRONG_SIZE: _restore,
        Damage.WRONG_BYTES: _restore,
        Damage.UNREADABLE_OBJECT: _restore,
        Damage.WRONG_METADATA_SHA256: _restore,
        Damage.WRONG_CONTENT_TYPE: _restore,
        Damage.OBJECT_WITHOUT_ROW: _orphan,
        Damage.SECOND_KEY: _orphan,
        Damage.FOREIGN_OBJECT: _orphan,
        Damage.KEY_OF_ANOTHER_ID: _disown,
        Damage.WRONG_EXTENSION: _disown,
        Damage.UNKNOWN_WALLPAPER: _disown,
        Damage.DUPLICATE_ROWS: _duplicates,
        Damage.STALE_INTENT: _intent,
        Damage.TOMBSTONED_OBJECT: _leave,
        Damage.TOMBSTONED_ROW: _buried_row,
        Damage.TEMPORARY_LEFTOVER: _leftover,
        Damage.RAW_PAGE_WITHOUT_OBJECT: _raw,
        Damage.RAW_OBJECT_WITHOUT_ROW: _orphan,
        Damage.DERIVATIVE_WITHOUT_OBJECT: _derivative,
        Damage.WRONG_DERIVATIVE: _derivative,
        Damage.FILE_WITHOUT_OBJECT: _file,
        Damage.WRONG_FILE: _file,
        Damage.FILE_WITHOUT_ROW: _orphan,
        Damage.CLEAN_WITHOUT_OBJECT: _clean,
        Damage.WRONG_CLEAN: _clean,
        Damage.CLEAN_WITHOUT_ROW: _orphan,
        Damage.UNKNOWN_OBJECT: _unknown,
        Damage.RAW_BODY_MISMATCH: _raw,
        Damage.RAW_ENVELOPE_MISMATCH: _raw,
    }
