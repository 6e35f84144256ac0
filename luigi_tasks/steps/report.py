"""Report: what the run did, counted from the tables."""

from __future__ import annotations

from luigi_tasks.gateways import audit_ledger, postgres
from luigi_tasks.settings import Settings


def backlog(settings: Settings) -> dict[str, object]:
    """What is still pending: pictures that are due now, details."""
    with postgres.transaction(settings) as cursor:
        due = audit_ledger.backlog(cursor)
    return {"pending": due["uploads"], "pending_details": due["details"]}
