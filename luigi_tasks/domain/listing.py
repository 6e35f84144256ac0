"""What left a listing: records that had to be on what was read without a gap, and were not."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from luigi_tasks.domain.coverage import Position, Span


def vanished(expected: Iterable[Position], seen: Collection[str], within: Sequence[Span]) -> set[str]:
    """Ids that were expected in these spans and not seen."""
    return {
        one.record_id
        for one in expected
        if one.record_id not in seen and any(span.oldest <= one.uploaded_at <= span.newest for span in within)
    }
