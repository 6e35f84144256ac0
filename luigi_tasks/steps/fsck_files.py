"""The lake's files of archives against the ledger's rows, both ways."""

from __future__ import annotations

from luigi_tasks.domain.damage import DATASETS, Damage, FileRow
from luigi_tasks.steps.fsck_rows import RowCheck


class FileCheck(RowCheck):
    """take() every row, then judge() what no row owns, then judge_bytes() of what to_read() names."""

    FOLDER, MISSING, WRONG = DATASETS, Damage.FILE_WITHOUT_OBJECT, Damage.WRONG_FILE

    def take(self, row: FileRow) -> None:
        """Judge a row of the part by the listing."""
        if not self._part.has_key(row.object_key):
            return
        if row.sha256 in self._claims.tombstones:
            if row.object_key in self._heads:
                self._owned.add(row.object_key)
                self._checked.add(Damage.TOMBSTONED_OBJECT, row.object_key, "was taken down")
        elif not row.lost:
            self._checked.files += 1
            self._compare(row, f"stored for {row.dataset}")

    def judge(self) -> None:
        """The objects that no row owns: of a run that may go on, or nobody's."""
        for key in self._strays():
            if key.startswith(self._claims.open_datasets):
                self._checked.unfinished += 1
            else:
                self._checked.add(Damage.FILE_WITHOUT_ROW, key, "no row of a dataset owns it")
