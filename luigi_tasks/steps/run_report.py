"""The report of a run: one HTML file that says what the run did, counted from the tables, complete or not."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from luigi_tasks.domain.errors import SettingsError
from luigi_tasks.gateways import postgres, report_ledger, source_figures
from luigi_tasks.settings import Settings
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.sources.contract import Archived, Listing, Personal
from luigi_tasks.steps import access, charts, pages, reports, summary

SHEET_BYTES = 4 << 20
SLOWEST = 12
BAD = frozenset({"error", "fail", "runtime error"})
# What the overview shows of a run: names of run_audit.
FIGURES = (
    *("seen", "inserted", "updated", "received", "loaded", "duplicate", "quarantined"),
    *("uploaded", "bytes", "failures", "failures_by_reason", "pending_after", "api_calls"),
)


def write(settings: Settings, run_key: str) -> Path:
    """Write the report of a run, and keep for the overview what it shows of it. Raises SettingsError, PipelineError."""
    facts = summary.facts(settings, run_key)
    if not facts.get("run_key"):
        raise SettingsError(f"there is no run {run_key}", mend="See `python -m luigi_tasks status`.")
    with postgres.transaction(settings) as cursor:
        found = report_ledger.of_run(cursor, run_key)
        kept = report_ledger.kept(cursor, run_key)
        of_its_own = source_figures.of_source(cursor, facts["source"], run_key)
    destination = reports.path(settings, run_key)
    source = CATALOGUE.get(facts["source"])
    # What the budget was when the run ended, whatever it is when somebody writes the page again.
    per_minute = kept.get("per_minute") or (access.per_minute(settings, source.NAME) if source else None)
    shown = _shown(facts, found, per_minute) | {
        "figures": [(figure, _figure(figure)) for figure in of_its_own],
        "links": links(settings, destination),
    }
    pages.write("run.html.j2", destination, shown)
    with postgres.transaction(settings) as cursor:
        figured = {name: facts[name] for name in FIGURES if name in facts}
        report_ledger.keep(cursor, run_key, {**figured, "per_minute": per_minute})
    return destination


def links(settings: Settings, page: Path) -> list[tuple[str, str]]:
    """(words, address) of what else there is to look at; pages that were not made are left out."""
    up = "../" * len(page.parent.relative_to(reports.folder(settings)).parts)
    found = [("All runs", f"{up}index.html")] if page.parent != reports.folder(settings) else []
    if settings.scheduler_page:
        found.append(("Scheduler", settings.scheduler_page))
    if (reports.folder(settings) / "dbt.html").exists():
        found.append(("Models", f"{up}dbt.html"))
    if address := reports.gallery(settings):
        found.append(("Gallery", address if settings.gallery_url else f"{up}../gallery/index.html"))
    return found


def _shown(facts: dict[str, Any], found: dict[str, Any], per_minute: int | None) -> dict[str, Any]:
    source = CATALOGUE.get(facts["source"])
    has_pictures = isinstance(source, Listing)
    counted = {name: facts.get(name) for name in FIGURES}
    if isinstance(source, Personal):  # a violation quotes what it is about
        found["quarantine"] = [{**row, "message": ""} for row in found["quarantine"]]
    return {
        "run": facts,
        "counted": counted if "seen" in facts else None,
        "has_pictures": has_pictures,
        "has_files": isinstance(source, Archived),
        "certificate": facts["certificate"],
        "certified": summary.certified(facts["certificate"]) if has_pictures else None,
        "sheet": _sheet(facts.get("contact_sheet")),
        "per_minute": per_minute,
        "budget_share": round(100 * found["requests"]["peak"] / per_minute) if per_minute else None,
        "statuses": dict(sorted(Counter((node["resource_type"], node["status"]) for node in found["nodes"]).items())),
        "bad_nodes": [node for node in found["nodes"] if node["status"] in BAD | {"skipped", "warn"}],
        "slowest": found["nodes"][:SLOWEST],
        "charts": _charts(found, counted, has_pictures=has_pictures, per_minute=per_minute) | _files(facts, found),
        **found,
    }


def _charts(
    found: Mapping[str, Any], counted: Mapping[str, Any], *, has_pictures: bool, per_minute: int | None
) -> dict[str, Markup]:
    drawn = {}
    if counted["seen"] is not None:
        drawn["funnel"] = charts.bars(_funnel(found["pictures"], counted, has_pictures))
    if found["steps"]:
        drawn["steps"] = charts.bars([(step["step"], step["seconds"]) for step in found["steps"]], pages.seconds)
    if len(found["minutes"]) > 1:
        minutes = found["minutes"]
        answers = {"answers": [one["answers"] for one in minutes], "budget": [per_minute] * len(minutes)}
        drawn["requests"] = charts.lines([f"{one['minute']:%H:%M}" for one in minutes], answers)
    if found["nodes"]:
        steps = {node["step"] for node in found["nodes"]}
        slowest = [(_node(node, len(steps) > 1), node["execution_seconds"]) for node in found["nodes"][:SLOWEST]]
        drawn["nodes"] = charts.bars(slowest, pages.seconds, wide=True)
    return drawn


def _files(facts: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Markup]:
    """The funnel of an archive's files, once a folder of it was gone through."""
    if not (folders := facts["folders"].values()):
        return {}
    steps = [(name, found["files"][name]) for name in ("brought", "unpacked", "stored")]
    return {"files": charts.bars([("in the archive", sum(told["files"] for told in folders)), *steps])}


def _funnel(pictures: Mapping[str, int], counted: Mapping[str, Any], has_pictures: bool) -> list[tuple[str, int]]:
    if not has_pictures:
        return [(name, counted[name]) for name in ("received", "loaded", "inserted", "updated")]
    last = [(name, pictures[name]) for name in ("tried", "downloaded", "stored")]
    return [("seen", counted["seen"]), ("new", counted["inserted"]), *last]


def _node(node: Mapping[str, Any], with_step: bool) -> str:
    parts = node["unique_id"].split(".")
    name = parts[2] if len(parts) > 2 else parts[-1]
    return f"{node['step']}: {name}" if with_step else name


def _figure(figure: source_figures.Figure) -> Markup | None:
    """Its chart, None for a table."""
    if figure.kind == "table":
        return None
    rows = [(str(row["label"] if row["label"] is not None else "none"), row["value"]) for row in figure.found]
    if figure.kind == "columns":
        return charts.columns([name for name, _ in rows], {figure.title: [value for _, value in rows]}, _whole)
    return charts.bars(rows, _whole)


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _sheet(file: str | None) -> str | None:
    """The contact sheet as a data URI, None when there is none on this machine or it would make the page heavy."""
    if not file or not (found := Path(file)).is_file() or found.stat().st_size > SHEET_BYTES:
        return None
    return "data:image/webp;base64," + base64.b64encode(found.read_bytes()).decode()
