"""The clean zone against its ledgers, both ways. A file whose response has a newer one is an earlier version of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from luigi_tasks.domain.damage import CLEAN, DATASETS, CleanRow, Damage
from luigi_tasks.gateways import clean_ledger
from luigi_tasks.steps.fsck_rows import RowCheck

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

OF_A_RESPONSE = re.compile(r"clean/([a-z0-9_]+)/([a-z0-9_]+)/([0-9a-f]{16})-[0-9a-f]{16}\.parquet")
OF_A_DATASET = re.compile(r"clean/[a-z0-9_]+/pictures/(.+/)[^/]+\.parquet")


class CleanCheck(RowCheck):
    """take() every row, then judge() what no row owns, then judge_bytes() of what to_read() names."""

    FOLDER, MISSING, WRONG = CLEAN, Damage.CLEAN_WITHOUT_OBJECT, Damage.WRONG_CLEAN

    def take(self, row: CleanRow) -> None:
        """Judge a row of the part by the listing."""
        if self._part.has_key(row.object_key):
            self._checked.files += 1
            self._compare(row, "the ledger says it was written")

    def judge(self, cursor: Cursor) -> None:
        """The objects that no row owns: an earlier version, of a run that may go on, or nobody's."""
        strays = self._strays()
        parts = {key: found.groups() for key in strays if (found := OF_A_RESPONSE.fullmatch(key))}
        known = clean_ledger.known_responses(cursor, set(parts.values()))
        for key in strays:
            if key in parts and parts[key] in known:
                self._checked.unfinished += not known[parts[key]]
            elif (found := OF_A_DATASET.fullmatch(key)) and DATASETS + found[1] in self._claims.open_datasets:
                self._checked.unfinished += 1
            else:
                self._checked.add(Damage.CLEAN_WITHOUT_ROW, key, "made of no response that the ledger knows")
