"""The overview: one HTML file over the last runs of each source: history, growth, backlog. It sweeps old reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from markupsafe import Markup

from luigi_tasks.domain.progress import human_bytes
from luigi_tasks.gateways import postgres, report_ledger
from luigi_tasks.settings import Settings
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.sources.contract import Archived, Listing
from luigi_tasks.steps import charts, pages, reports, run_report

CHARTED = 60
CAUGHT_UP = 20


def tell(settings: Settings, run_key: str) -> Path:
    """Write the overview after a run. Raises PipelineError."""
    return write(settings, most=CAUGHT_UP)


def write(settings: Settings, most: int | None = None) -> Path:
    """Write the overview, and first the reports that ended runs still lack (a killed run's), at most so many.

    Raises PipelineError.
    """
    limit = settings.reports_kept
    with postgres.transaction(settings) as cursor:
        untold = report_ledger.untold(cursor, list(CATALOGUE), limit, limit if most is None else most)
    for run_key in untold:
        run_report.write(settings, run_key)
    with postgres.transaction(settings) as cursor:
        runs = report_ledger.last_runs(cursor, list(CATALOGUE), limit)
        totals = report_ledger.totals(cursor)
    _sweep(settings)
    destination = reports.folder(settings) / "index.html"
    shown = {
        "runs": [_row(settings, run) for run in runs],
        "limit": limit,
        "sources": [
            _source(source, [run for run in runs if run["source"] == source], totals.get(source, {}))
            for source in CATALOGUE
        ],
        "links": run_report.links(settings, destination),
    }
    return pages.write("overview.html.j2", destination, shown)


def _row(settings: Settings, run: Mapping[str, Any]) -> dict[str, Any]:
    page = reports.path(settings, run["run_key"])
    link = page.relative_to(reports.folder(settings)).as_posix() if page.exists() else None
    figures = _figures(run)
    if not isinstance(CATALOGUE.get(run["source"]), Listing | Archived):  # it stores nothing but records
        figures |= dict.fromkeys(("uploaded", "failures"))
    return {**run, "figures": figures, "link": link}


def _figures(run: Mapping[str, Any]) -> dict[str, Any]:
    return dict.fromkeys(run_report.FIGURES) | (run["figures"] or {})


def _source(source: str, runs: Sequence[Mapping[str, Any]], totals: Mapping[str, float]) -> dict[str, Any]:
    """What a source's part of the page shows; runs are newest first."""
    has_pictures = isinstance(CATALOGUE.get(source), Listing)
    ended = [run for run in runs if run["state"] != "running"]
    succeeded = [run["finished_at"] for run in ended if run["state"] == "succeeded" and run["finished_at"]]
    return {
        "name": source,
        "has_pictures": has_pictures,
        "runs": len(runs),
        "failed": sum(run["state"] in {"failed", "killed"} for run in runs),
        "last": next(iter(runs), None),
        "last_success": max(succeeded, default=None),
        "pending": next((kept for run in runs if (kept := _figures(run)["pending_after"]) is not None), None),
        "totals": totals,
        "charts": _charts(list(reversed(ended[:CHARTED])), totals, has_pictures=has_pictures),
    }


def _charts(
    runs: Sequence[Mapping[str, Any]], totals: Mapping[str, float], *, has_pictures: bool
) -> list[tuple[str, Markup]]:
    if len(runs) < 2:  # a chart of one run says less than its row
        return []
    figures = [_figures(run) for run in runs]
    labels = [f"{run['started_at']:%m-%d %H:%M}" for run in runs]
    grows = "uploaded" if has_pictures else "loaded"
    whole = "pictures" if has_pictures else "records"
    series = {name: [one[key] or 0 for one in figures] for name, key in (("new", "inserted"), ("changed", "updated"))}
    drawn = [
        (f"Growth: {whole} kept so far", charts.lines(labels, {whole: _growth(figures, grows, totals.get(whole, 0))})),
        ("New and changed, by run", charts.columns(labels, series)),
    ]
    if has_pictures:
        due = [one["pending_after"] for one in figures]
        size = [one["bytes"] or 0 for one in figures]
        drawn.append(("Backlog: pictures due after the run", charts.lines(labels, {"due": due})))
        drawn.append(("Bytes stored, by run", charts.columns(labels, {"bytes": size}, human_bytes, charts.BYTES)))
    bad = {name: [one[name] or 0 for one in figures] for name in ("failures", "quarantined")}
    if any(map(any, bad.values())):
        drawn.append(("Failures and quarantine, by run", charts.columns(labels, bad)))
    took = [run["duration_seconds"] for run in runs]
    return [*drawn, ("Duration, by run", charts.columns(labels, {"took": took}, pages.seconds, charts.SECONDS))]


def _growth(figures: Sequence[Mapping[str, Any]], name: str, total: float) -> list[float]:
    """The total after each run, reckoned back from the one that stands now."""
    added = [one[name] or 0 for one in figures]
    before = max(0, total - sum(added))
    return [before + sum_so_far for sum_so_far in accumulate(added)]


def _sweep(settings: Settings) -> None:
    """Of the reports of each source keep the latest REPORTS_KEPT; a contact sheet goes with its report."""
    for folder in reports.folder(settings).glob("*/"):
        pages_there = folder.glob(f"*/*/{reports.NAME}")
        written = sorted(((page.stat().st_mtime_ns, page) for page in pages_there), reverse=True)
        for _, page in written[settings.reports_kept :]:
            _remove(page)


def _remove(page: Path) -> None:
    page.with_name(reports.SHEET).unlink(missing_ok=True)
    page.unlink(missing_ok=True)
    if not any(page.parent.iterdir()):
        page.parent.rmdir()
