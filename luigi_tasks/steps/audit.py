"""What fsck left behind, kept and told to metrics, so that an alert sees an audit that nobody watched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from luigi_tasks.domain.damage import Checked, Part, Repair
from luigi_tasks.gateways import audits, postgres
from luigi_tasks.settings import Settings
from luigi_tasks.steps import metrics, session

ALL = "all"  # fsck looks at every source's objects at once


def enter(
    settings: Settings, source: str, part: Part, checked: Checked, repairs: Sequence[Repair] | None, *, deep: bool
) -> None:
    """Keep what this fsck found, or with repairs what they left, and write the metrics anew.

    repairs: None when nothing was to be mended. Raises NotificationError when the metrics cannot be written.
    """
    left = checked.counts() if repairs is None else _left(repairs)
    session.open_warehouse(settings)
    with postgres.transaction(settings) as cursor:
        audits.enter(cursor, source, part, deep=deep, objects=checked.objects, damage=left)
    metrics.write(settings)


def _left(repairs: Sequence[Repair]) -> dict[str, int]:
    return dict(Counter(str(repair.damage) for repair in repairs if repair.action == "left"))
