"""Metrics: what a run added to the counters and how things stand, as a file, and pushed where one asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from luigi_tasks.gateways import audit_ledger, metrics_ledger, postgres, prometheus
from luigi_tasks.settings import Settings
from luigi_tasks.sources import CATALOGUE

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor


def tell(settings: Settings, run_key: str) -> Path:
    """Add a run that ended to the totals, write METRICS_FILE, push to PUSHGATEWAY_URL; returns the file.

    Raises NotificationError.
    """
    with postgres.transaction(settings) as cursor:
        run = audit_ledger.run_row(cursor, run_key)
        if run:
            metrics_ledger.add_run(cursor, run_key, run["state"])
        samples: list[prometheus.Sample] = [
            *metrics_ledger.totals(cursor),
            *metrics_ledger.gauges(cursor, sorted(CATALOGUE)),
        ]
        samples += _backlog(cursor)
    samples.append(("draenei_request_budget", {"source": "wallhaven"}, settings.wallhaven_rate_per_minute))
    path = settings.metrics_file or settings.draenei_home / "metrics" / "draenei.prom"
    prometheus.write(samples, path)
    if settings.pushgateway_url:
        prometheus.push(samples, settings.pushgateway_url)
    return path


def _backlog(cursor: Cursor) -> list[prometheus.Sample]:
    """What is due now; nothing before the views were built, for a number that nobody counted is not 0."""
    if not audit_ledger.modelled(cursor):
        return []
    due = audit_ledger.backlog(cursor)
    return [(f"draenei_pending_{name}", {"source": "wallhaven"}, float(number)) for name, number in due.items()]
