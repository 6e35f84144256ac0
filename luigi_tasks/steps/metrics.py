"""Metrics: what a run added to the counters and how things stand, as a file, and pushed where one asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from luigi_tasks.domain.errors import SettingsError
from luigi_tasks.gateways import audit_ledger, audits, metrics_ledger, postgres, prometheus
from luigi_tasks.settings import Settings
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.steps import access, metric_series

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor


def tell(settings: Settings, run_key: str) -> Path:
    """Add a run that ended to the totals and write the metrics; returns the file. Raises NotificationError."""
    with postgres.transaction(settings) as cursor:
        run = audit_ledger.run_row(cursor, run_key)
        if run:
            metrics_ledger.add_run(cursor, run_key, run["state"])
    return write(settings)


def begin(settings: Settings, _: str = "") -> None:
    """Write the metrics before the first run: what that one counts is then seen to grow. Raises NotificationError."""
    if not file(settings).exists():
        write(settings)


def write(settings: Settings) -> Path:
    """Write METRICS_FILE as things stand, push to PUSHGATEWAY_URL; returns the file.

    Raises NotificationError, or SettingsError for a wrong EXPECTED_MINUTES.
    """
    with postgres.transaction(settings) as cursor:
        samples = metric_series.with_zeros(metrics_ledger.totals(cursor), CATALOGUE)
        minutely = [name for name, source in CATALOGUE.items() if source.EVERY_MINUTES == 1]
        samples += metrics_ledger.gauges(cursor, sorted(CATALOGUE), minutely)
        samples += _damage(cursor) + _backlog(cursor)
    samples += _expected(settings)
    path = file(settings)
    prometheus.write(samples, path)
    if settings.pushgateway_url:
        prometheus.push(samples, settings.pushgateway_url)
    return path


def file(settings: Settings) -> Path:
    """METRICS_FILE, or where it is by default."""
    return settings.metrics_file or settings.draenei_home / "metrics" / "draenei.prom"


def _expected(settings: Settings) -> list[prometheus.Sample]:
    """What the settings promise of each source: requests in a minute, and how often it is collected."""
    said: list[prometheus.Sample] = []
    expected = {name: source.EVERY_MINUTES for name, source in CATALOGUE.items()} | (settings.expected_minutes or {})
    if unknown := sorted(expected.keys() - CATALOGUE.keys()):
        raise SettingsError(f"EXPECTED_MINUTES: {unknown[0]} is no source", mend=f"There are {', '.join(CATALOGUE)}.")
    for name, minutes in sorted(expected.items()):
        source = {"source": name}
        said.append(("draenei_request_budget", source, float(access.per_minute(settings, name))))
        if minutes:
            said.append(("draenei_expected_interval_seconds", source, 60.0 * minutes))
    return said


def _damage(cursor: Cursor) -> list[prometheus.Sample]:
    """What the latest audits know of; nothing of a source that nobody has audited."""
    said: list[prometheus.Sample] = []
    for source, damaged, last in audits.standing(cursor):
        said.append(("draenei_damaged_objects", {"source": source}, damaged))
        said.append(("draenei_last_audit_timestamp_seconds", {"source": source}, last))
    return said


def _backlog(cursor: Cursor) -> list[prometheus.Sample]:
    """What is due now; nothing before the views were built, for a number that nobody counted is not 0."""
    if not audit_ledger.modelled(cursor):
        return []
    due = audit_ledger.backlog(cursor)
    return [(f"draenei_pending_{name}", {"source": "wallhaven"}, float(number)) for name, number in due.items()]
