"""The bucket's derivatives against the ledger's rows. One without a row is no damage: the next Derive takes it up."""

from __future__ import annotations

from luigi_tasks.domain.damage import DERIVATIVES, Damage, DerivativeRow
from luigi_tasks.steps.fsck_rows import RowCheck


class DerivativeCheck(RowCheck):
    """take() every row, then judge_bytes() of what to_read() names."""

    FOLDER, MISSING, WRONG = DERIVATIVES, Damage.DERIVATIVE_WITHOUT_OBJECT, Damage.WRONG_DERIVATIVE

    def take(self, row: DerivativeRow) -> None:
        """Judge a row of the part by the listing."""
        if self._part.has_key(row.object_key):
            self._checked.derivatives += 1
            self._compare(row, "the ledger says it was made")
