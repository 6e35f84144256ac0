"""notify: send the digest of a run by hand, to see whether it arrives."""

from __future__ import annotations

import logging

import click

from luigi_tasks import settings
from luigi_tasks.domain.errors import SettingsError


@click.command(
    help="Send the digest of the last run (or RUN_KEY) to NOTIFY_URLS now, and hear what each service answers.\n\n"
    "\b\nExamples:\n  python -m luigi_tasks notify\n"
    "  NOTIFY_URLS='ntfy://my-topic' python -m luigi_tasks notify wallhaven/draenei/2026-11-21T07:00"
)
@click.argument("run_key", required=False)
def notify(run_key: str | None) -> None:
    """Send one digest, whatever NOTIFY_WHEN says."""
    from luigi_tasks.gateways import audit_ledger, postgres
    from luigi_tasks.steps import notify as step
    from luigi_tasks.steps import summary

    own = settings.load()
    if not own.notify_urls:
        raise SettingsError("NOTIFY_URLS is not set", mend="Such as NOTIFY_URLS=ntfy://my-topic")
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    if run_key is None:
        with postgres.transaction(own) as cursor:
            run_key = audit_ledger.last_run_key(cursor)
    facts = summary.facts(own, run_key) if run_key else {}
    if not facts.get("run_key"):
        raise SettingsError(f"there is no run {run_key or 'yet'}", mend="See `python -m luigi_tasks status`.")
    click.echo(f"sent to {step.tell(own, facts)}: {facts['run_key']} {facts['state']}")
