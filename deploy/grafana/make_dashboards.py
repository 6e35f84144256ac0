"""Write dashboards/*.json: two dashboards as code. `python deploy/grafana/make_dashboards.py [--check]`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "dashboards"
PROMETHEUS = {"type": "prometheus", "uid": "prometheus"}
WAREHOUSE = {"type": "grafana-postgresql-datasource", "uid": "warehouse"}
Panel = tuple[str, str, str, list[tuple[str, str]]]
# What Grafana has no unit for: 0 and 1 of a gauge that says whether something failed.
WORDS = {"0": {"text": "succeeded", "color": "green"}, "1": {"text": "failed", "color": "red"}}
COLUMN_UNITS = {"bytes": "bytes", "duration_seconds": "s"}
# A slice a row; without it a pie is one slice, the last row.
PIE = {"reduceOptions": {"values": True, "calcs": ["lastNotNull"], "fields": ""}}

# title, kind, unit, [(legend, query)]
PIPELINE: list[Panel] = [
    ("Since the last success", "stat", "s", [("{{source}}", "time() - draenei_last_success_timestamp_seconds")]),
    ("Last run", "stat", "failed", [("{{source}}", "draenei_last_run_failed")]),
    ("Pictures due", "stat", "none", [("{{source}}", "draenei_pending_uploads")]),
    ("Records in quarantine", "stat", "none", [("{{source}}", "draenei_quarantine_open")]),
    ("Damaged objects", "stat", "none", [("{{source}}", "draenei_damaged_objects or draenei_lost_pictures")]),
    (
        "Runs by end",
        "timeseries",
        "none",
        [("{{source}} {{state}}", "sum by (source, state) (increase(draenei_run_ends_total[1h]))")],
    ),
    (
        "Step duration, 95 %",
        "timeseries",
        "s",
        [
            (
                "{{step}}",
                "histogram_quantile(0.95, sum by (step, le) (rate(draenei_step_seconds_bucket[6h])))",
            )
        ],
    ),
    (
        "Requests by what they came to",
        "timeseries",
        "none",
        [("{{source}} {{outcome}}", "sum by (source, outcome) (increase(draenei_requests_total[1h]))")],
    ),
    (
        "Request budget in use",
        "timeseries",
        "percentunit",
        [("{{source}}", "draenei_requests_in_last_minute / draenei_request_budget")],
    ),
    (
        "Records",
        "timeseries",
        "none",
        [("{{source}} {{result}}", "sum by (source, result) (increase(draenei_records_total[1h]))")],
    ),
    (
        "Attempts at pictures",
        "timeseries",
        "none",
        [("{{outcome}}", "sum by (outcome) (increase(draenei_uploads_total[1h]))")],
    ),
    (
        "Bytes stored",
        "timeseries",
        "bytes",
        [("{{source}}", "sum by (source) (increase(draenei_stored_bytes_total[1h]))")],
    ),
    (
        "Backlog",
        "timeseries",
        "none",
        [("{{source}}", "draenei_pending_uploads"), ("details", "draenei_pending_details")],
    ),
    (
        "Backlog, bytes",
        "timeseries",
        "bytes",
        [("{{source}}", "draenei_pending_bytes")],
    ),
    (
        "Minutes missing",
        "timeseries",
        "none",
        [("{{source}}", "draenei_missing_minutes")],
    ),
    (
        "dbt nodes",
        "timeseries",
        "none",
        [("{{type}} {{status}}", "sum by (type, status) (increase(draenei_dbt_nodes_total[1h]))")],
    ),
    (
        "Time in dbt's nodes",
        "timeseries",
        "s",
        [("{{source}} {{type}}", "sum by (source, type) (increase(draenei_dbt_seconds_total[1h]))")],
    ),
    (
        "Responses kept, by status",
        "timeseries",
        "none",
        [("{{source}} {{status}}", "sum by (source, status) (increase(draenei_pages_total[1h]))")],
    ),
    (
        "Luigi tasks failed",
        "timeseries",
        "none",
        [("{{source}} {{family}}", "sum by (source, family) (increase(luigi_task_failed_total[1h]))")],
    ),
]

COLLECTION: list[Panel] = [
    ("Wallpapers", "stat", "none", [("", "select count(*) as wallpapers from draenei_content.wallpapers")]),
    (
        "Stored",
        "stat",
        "bytes",
        [("", "select sum(file_size) as bytes from draenei_content.wallpapers where upload_status = 'stored'")],
    ),
    (
        "Pictures by status",
        "piechart",
        "none",
        [("", "select upload_status, count(*) as pictures from draenei_content.wallpapers group by 1 order by 2 desc")],
    ),
    (
        "Growth",
        "timeseries",
        "none",
        [
            (
                "",
                "select date_trunc('day', first_seen_at) as time, sum(count(*)) over (order by"
                " date_trunc('day', first_seen_at)) as wallpapers from draenei_content.wallpapers"
                " group by date_trunc('day', first_seen_at) order by 1",
            )
        ],
    ),
    (
        "Categories and purity",
        "table",
        "none",
        [
            (
                "",
                "select category, purity, count(*) as wallpapers, sum(file_size) as bytes"
                " from draenei_content.wallpapers group by 1, 2 order by 3 desc",
            )
        ],
    ),
    (
        "Tags",
        "table",
        "none",
        [
            (
                "",
                "select name as tag, count(*) as wallpapers from draenei_content.wallpaper_tags"
                " group by 1 order by 2 desc limit 30",
            )
        ],
    ),
    (
        "Runs",
        "table",
        "none",
        [
            (
                "",
                "select started_at, source, query, state, seen, inserted, updated, quarantined, uploaded, bytes,"
                " failures, duration_seconds, error from draenei_content.run_audit order by started_at desc limit 50",
            )
        ],
    ),
]


def dashboard(uid: str, title: str, source: dict[str, str], panels: list[Panel]) -> dict[str, Any]:
    """A dashboard in Grafana's JSON model: panels three in a row, numbers on top."""
    return {
        "uid": uid,
        "title": title,
        "tags": ["draenei-collector"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "1m",
        "time": {"from": "now-7d", "to": "now"},
        "panels": [_panel(number, panel, source) for number, panel in enumerate(panels)],
    }


def _panel(number: int, panel: Panel, source: dict[str, str]) -> dict[str, Any]:
    title, kind, unit, queries = panel
    return {
        "id": number + 1,
        "title": title,
        "type": kind,
        "datasource": source,
        "gridPos": {"x": number % 3 * 8, "y": number // 3 * 8, "w": 8, "h": 8},
        "fieldConfig": _fields(kind, unit),
        "options": PIE if kind == "piechart" else {},
        "targets": [_target(letter, *query, kind, source) for letter, query in zip("ABC", queries, strict=False)],
    }


def _fields(kind: str, unit: str) -> dict[str, Any]:
    if unit == "failed":
        return {"defaults": {"mappings": [{"type": "value", "options": WORDS}]}, "overrides": []}
    overrides = [
        {"matcher": {"id": "byName", "options": name}, "properties": [{"id": "unit", "value": of_column}]}
        for name, of_column in COLUMN_UNITS.items()
        if kind == "table"
    ]
    return {"defaults": {"unit": unit}, "overrides": overrides}


def _target(letter: str, legend: str, query: str, kind: str, source: dict[str, str]) -> dict[str, Any]:
    if source is PROMETHEUS:
        return {"refId": letter, "datasource": source, "expr": query, "legendFormat": legend, "instant": kind == "stat"}
    shape = "time_series" if kind == "timeseries" else "table"
    return {"refId": letter, "datasource": source, "rawSql": query, "rawQuery": True, "format": shape}


def main() -> None:
    """Write the files; with --check say which are not what this makes, and exit with 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only")
    check = parser.parse_args().check
    made = {
        "pipeline.json": dashboard("draenei-pipeline", "Pipeline", PROMETHEUS, PIPELINE),
        "collection.json": dashboard("draenei-collection", "Collection", WAREHOUSE, COLLECTION),
    }
    stale = []
    for name, content in made.items():
        text = json.dumps(content, indent=1) + "\n"
        path = FOLDER / name
        if check and (not path.exists() or path.read_text() != text):
            stale.append(name)
        elif not check:
            path.write_text(text)
    if stale:
        sys.exit(f"not as make_dashboards.py makes them: {', '.join(stale)}")


if __name__ == "__main__":
    main()
