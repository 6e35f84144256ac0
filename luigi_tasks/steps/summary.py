"""The last word of a run, for people or as a JSON line: seen, new, changed, quarantined, uploaded, what is next."""

from __future__ import annotations

import json
import shlex
import sys
from typing import Any, TextIO

from luigi_tasks.domain.progress import human_bytes, human_seconds
from luigi_tasks.gateways import audit_ledger, coverage_ledger, dangling_ledger, postgres
from luigi_tasks.settings import Settings
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.sources.contract import Archived, Listing
from luigi_tasks.steps import reports


def say(settings: Settings, run_key: str, stream: TextIO | None = None) -> None:
    """Print the summary of a run to stdout, as one JSON line when DRAENEI_PROGRESS is json."""
    found = facts(settings, run_key)
    as_json = settings.draenei_progress == "json"
    text = json.dumps({"event": "summary", **found}, default=str) if as_json else "\n".join(lines(found))
    print(text, file=stream or sys.stdout, flush=True)


def facts(settings: Settings, run_key: str) -> dict[str, Any]:
    """What the tables say of a run, under the names of run_audit; a number that nobody counted yet is absent."""
    with postgres.transaction(settings) as cursor:
        run = audit_ledger.run_row(cursor, run_key) or {}
        counted = audit_ledger.audit_row(cursor, run_key) if audit_ledger.modelled(cursor) else None
        steps = audit_ledger.step_results(cursor, run_key)
        certificate = coverage_ledger.certificate_row(cursor, run_key)
        statuses = audit_ledger.upload_statuses(cursor) if counted else {}
        dangling = dangling_ledger.count(cursor, run["source"]) if counted else 0
    found = {**run, **(counted or {}), "collection": statuses, "certificate": certificate, "dangling": dangling}
    found["claimed_total"] = steps.get("Fetch", {}).get("claimed_total")
    found["unexpected_fields"] = sorted({name for step in steps.values() for name in step.get("unexpected_fields", [])})
    found["stopped"] = steps.get("Publish", {}).get("stopped", [])
    found["folders"] = {step.partition(" ")[2]: told for step, told in steps.items() if step.startswith("StoreFolder ")}
    found["derived"] = steps.get("Derive")
    found["built_before"] = built_before(steps)
    found["contact_sheet"] = steps.get("Report", {}).get("contact_sheet")
    found["report"] = reports.url(settings, run_key) if reports.path(settings, run_key).is_file() else None
    found["gallery"] = reports.gallery(settings)
    return found


def built_before(steps: dict[str, dict[str, Any]]) -> int | None:
    """The number of the build whose models and tests stand for this run too, which built nothing; None: it did."""
    model, again = steps.get("Model", {}), steps.get("Remodel", {"skipped": 1})
    return model.get("build") if "skipped" in model and "skipped" in again else None


def lines(facts: dict[str, Any]) -> list[str]:
    """The summary in words; a number that nobody counted yet is left out, never shown as 0."""
    took = f" in {human_seconds(facts['duration_seconds'])}" if facts.get("duration_seconds") is not None else ""
    text = [f"Run {facts['run_key']} {facts['state']}{took}"]
    if facts.get("error"):
        text.append(_line("error", facts["error"]))
    if "seen" in facts:
        text += _counted(facts)
    if _has_pictures(facts):
        text.append(_line("certificate", certified(facts.get("certificate"))))
    if facts.get("report"):
        text.append(_line("report", facts["report"]))
    if facts.get("gallery") and _has_pictures(facts):
        text.append(_line("gallery", facts["gallery"]))
    if facts["state"] == "succeeded":
        text.append(_line("next", _next(facts)))
    else:
        text.append(_line("next", f"mend it, then: {_command(facts)}"))
    return text


def _counted(facts: dict[str, Any]) -> list[str]:
    claimed = f" of {facts['claimed_total']} that the source claims" if facts["claimed_total"] is not None else ""
    text = [
        _line("seen", f"{facts['seen']}{claimed}, {facts['api_calls']} API answers"),
        _line("new", f"{facts['inserted']}, changed {facts['updated']}, quarantined {facts['quarantined']}"),
    ]
    if _has_pictures(facts):
        text.append(_line("uploaded", f"{facts['uploaded']} pictures, {human_bytes(float(facts['bytes'] or 0))}"))
    if _is_archive(facts):
        text += _archived(facts)
    text += _noticed(facts)
    if facts["failures"]:
        reasons = ", ".join(f"{reason} {number}" for reason, number in sorted(facts["failures_by_reason"].items()))
        text.append(_line("failed", f"{facts['failures']}: {reasons}"))
    text += [_line("stopped", sentence) for sentence in facts.get("stopped", ())]
    if facts["pending_after"] is not None:
        text.append(_line("pending", f"{facts['pending_after']} pictures due now"))
    if facts["collection"] and _has_pictures(facts):
        text.append(_line("collection", ", ".join(f"{name} {number}" for name, number in facts["collection"].items())))
    if facts.get("built_before"):
        text.append(_line("models", f"nothing to build since build {facts['built_before']}"))
    if facts["contact_sheet"]:
        text.append(_line("pictures", facts["contact_sheet"]))
    return text


def _noticed(facts: dict[str, Any]) -> list[str]:
    """What is wrong with the records, and stopped nothing."""
    text = []
    if facts.get("unexpected_fields"):
        text.append(_line("notice", f"fields that the schema does not know: {', '.join(facts['unexpected_fields'])}"))
    if facts["quarantined"]:
        text.append(_line("warning", f"{facts['quarantined']} of {facts['received']} records are in quarantine"))
    if facts.get("dangling"):
        text.append(_line("warning", f"{facts['dangling']} records refer to some that the source has never listed"))
    return text


def _archived(facts: dict[str, Any]) -> list[str]:
    """What became of an archive: the files of each folder, and what was made of the pictures."""
    text = [_line("uploaded", f"{facts['uploaded']} files, {human_bytes(float(facts['bytes'] or 0))}")]
    for folder, told in sorted(facts.get("folders", {}).items()):
        counts = ", ".join(f"{name} {number}" for name, number in told.items() if name != "files")
        text.append(_line("folder", f"{folder}: {told['files']} files, {counts}"))
    if derived := facts.get("derived"):
        names = ("measured", "unreadable", "made", "failed")
        text.append(_line("derived", ", ".join(f"{name} {derived[name]}" for name in names)))
    return text


def _is_archive(facts: dict[str, Any]) -> bool:
    return isinstance(CATALOGUE[facts.get("source", "wallhaven")], Archived)


def _has_pictures(facts: dict[str, Any]) -> bool:
    return isinstance(CATALOGUE[facts.get("source", "wallhaven")], Listing)


def _command(facts: dict[str, Any]) -> str:
    """The same run again; Wallhaven is the source when none is named."""
    source = facts.get("source", "wallhaven")
    words = ["luigi", "--module", "luigi_tasks", "Collect", *(["--source", source] if source != "wallhaven" else [])]
    words += ["--query", facts["query"]] if facts["query"] else []
    return shlex.join([*words, "--run-id", facts["run_id"]])


def certified(certificate: dict[str, Any] | None) -> str:
    """What the crawl's row of ops.certificates claims, and what it does not; never more than was read."""
    if certificate is None:
        return "none: the crawl is not complete, nothing is claimed"
    ids = f"{certificate['ids_seen']} ids"
    if not certificate["ordered"]:
        return f"none: in this order nobody can tell what pages hide while they shift; {ids} seen"
    spans = ", ".join(_span(interval) for interval in certificate["intervals"])
    gaps = [_gap(gap) for gap in certificate["gaps"]]
    text = [f"{'incomplete' if gaps else 'complete'} {spans}".rstrip(), ids]
    text.append("not certain to be read: " + ", ".join(gaps) if gaps else "no known gap")
    if certificate["stopped_at"] == "known":
        text.append("older ones as earlier runs certified them")
    return ", ".join(text)


def _span(interval: dict[str, Any]) -> str:
    return f"from {interval['oldest']['uploaded_at']} to {interval['newest']['uploaded_at']}"


def _gap(gap: dict[str, Any]) -> str:
    older, newer = (gap[side]["uploaded_at"] if gap[side] else "?" for side in ("older", "newer"))
    return f"{older} to {newer}"


def _next(facts: dict[str, Any]) -> str:
    if facts.get("quarantined") or facts.get("dangling"):
        return "look at the quarantined records: python -m luigi_tasks quarantine list"
    if facts.get("failures") and _is_archive(facts):
        return "look at the bad files: python -m luigi_tasks quarantine list"
    if (facts.get("certificate") or {}).get("gaps"):
        return "run it again: the source changed under the crawl, the next one reads what is not certain"
    if facts.get("failures"):
        return "later runs try the failed ones again; `python -m luigi_tasks status` shows which were given up"
    if facts.get("pending_after"):
        return "run it again for what is pending (UPLOAD_BATCH_LIMIT, or a source that was down)"
    return "nothing to mend; leave it to cron (deploy/crontab)"


def _line(name: str, value: str) -> str:
    return f"  {name:<12}{value}"
