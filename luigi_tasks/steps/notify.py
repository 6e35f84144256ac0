"""Notify: one digest a run to people, quiet when nothing changed, and a dead-man's ping after each success."""

from __future__ import annotations

from typing import Any

from luigi_tasks.domain.errors import NotificationError
from luigi_tasks.domain.faults import crash_point
from luigi_tasks.gateways import notifications
from luigi_tasks.settings import Settings
from luigi_tasks.steps import summary

NEWS = ("inserted", "updated", "uploaded", "quarantined", "failures")


def notify(settings: Settings, run_key: str) -> int:
    """Tell of a run what NOTIFY_WHEN asks for, ping DEADMAN_URL when it succeeded; returns how many were told.

    Raises SettingsError or NotificationError.
    """
    facts = summary.facts(settings, run_key)
    missed = _ping(settings, facts)
    told = tell(settings, facts) if settings.notify_urls and worth_telling(facts, settings.notify_when) else 0
    if missed:
        raise missed
    return told


def _ping(settings: Settings, facts: dict[str, Any]) -> NotificationError | None:
    """What kept the ping from arriving: it is raised when the digest is out, which has no part in that."""
    if settings.deadman_url and facts["state"] == "succeeded":
        crash_point("notify.ping.before")
        try:
            notifications.ping(settings.deadman_url.get_secret_value())
        except NotificationError as problem:
            return problem
        crash_point("notify.ping.after")
    return None


def tell(settings: Settings, facts: dict[str, Any]) -> int:
    """Send the digest of these facts to NOTIFY_URLS; returns to how many. Raises as notifications.send does."""
    assert settings.notify_urls
    title, *body = summary.lines(facts)
    failed = facts["state"] != "succeeded"
    crash_point("notify.send.before")
    told = notifications.send(settings.notify_urls.get_secret_value(), title, "\n".join(body), failure=failed)
    crash_point("notify.send.after")
    return told


def worth_telling(facts: dict[str, Any], when: str) -> bool:
    """Whether a run is news: failures are always told; 'changes' also what came in, 'always' every run."""
    if facts["state"] != "succeeded" or when == "always":
        return True
    return when == "changes" and any(facts.get(name) for name in NEWS)
