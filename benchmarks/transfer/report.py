"""What was measured, in words and pictures: one line a run, a table of medians, a page with a chart."""

from __future__ import annotations

import shlex
import statistics
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from benchmarks import measurements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.measurements import Change
    from benchmarks.transfer.bench import Result
    from benchmarks.transfer.peers import Peer

BEGIN, END = "<!-- transfer: begin -->", "<!-- transfer: end -->"
HEADS = (
    "tool",
    "pictures/s",
    "spread",
    "CPU s/GB",
    "peak RSS MB",
    "arrived right",
    "server CPU s",
    "sink CPU s",
    "database CPU s",
    "commits a picture",
    "change",
)
SERVER_CORES = 2  # processes of the image server, and as many of the sink
BUSY = 0.7
BUSY_NOTE = "† busy for more than 70 % of the time on all its cores: the tool may have waited for it."
BAR, GAP, LEFT, WIDTH = 18, 8, 210, 760


def line(result: Result) -> str:
    """One run."""
    return (
        f"{result.network:<9} {result.tool:<32} {result.pictures / result.wall:7.1f}/s"
        f" {result.cpu / result.bytes * 1e9:6.2f} CPU s/GB {result.peak_rss >> 20:5} MB"
        f" {result.right}/{result.pictures} right, server {result.server_cpu:.1f} sink {result.sink_cpu:.1f}"
        f" database {result.database_cpu:.1f} CPU s, {result.commits / result.pictures:.2f} commits a picture"
    )


def machine(chosen: Sequence[tuple[Peer, str]]) -> dict[str, Any]:
    """Where it was measured, with what, and how busy the machine was besides."""
    others = [(peer, program) for peer, program in chosen if "draenei" not in peer.name]
    versions = {peer.name: ", ".join(peer.pinned) or _version(program, peer.version) for peer, program in others}
    return {**measurements.machine(), "versions": versions}


def row_name(one: Mapping[str, Any]) -> str:
    """What a run, or a tool's median, is called."""
    return f"{one['network']}, {one['tool']}"


def measured_networks(document: Mapping[str, Any]) -> list[str]:
    """In the order in which they were measured."""
    return list(dict.fromkeys(one["network"] for one in document["results"]))


def table(document: dict[str, Any], changes: Sequence[Change] = ()) -> str:
    """Markdown: a table of medians for each network, and what could not be measured."""
    parts = []
    for network in measured_networks(document):
        rows = [_cells(row, _changed(changes, row)) for row in medians(document, network)]
        rows += [[name, "not to be had here", *[""] * (len(HEADS) - 2)] for name in document["missing"]]
        parts.append(f"### {network}\n\n| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}")
        parts[-1] += "".join(f"\n| {' | '.join(row)} |" for row in rows)
    text = "\n\n".join(parts)
    return f"{text}\n\n{BUSY_NOTE}" if "†" in text else text


def _changed(changes: Sequence[Change], row: dict[str, Any]) -> str:
    return ", ".join(str(one) for one in changes if one.row == row_name(row))


def medians(document: Mapping[str, Any], network: str) -> list[dict[str, Any]]:
    """One row a tool, fastest first; runs that failed count as they ended, and `right` tells."""
    here = [one for one in document["results"] if one["network"] == network]
    rows = []
    for tool in dict.fromkeys(one["tool"] for one in here):
        runs = [one for one in here if one["tool"] == tool]
        speeds = sorted(one["pictures"] / one["wall"] for one in runs)
        middle = {
            name: statistics.median(one[name] for one in runs)
            for name, value in runs[0].items()
            if isinstance(value, int | float)
        }
        rows.append({**middle, "network": network, "tool": tool, "speed": statistics.median(speeds), "speeds": speeds})
    return sorted(rows, key=lambda row: -float(row["speed"]))


def _busy(seconds: float, wall: float) -> str:
    return f"{seconds:.1f}{' †' if seconds > BUSY * SERVER_CORES * wall else ''}"


def _cells(row: dict[str, Any], changed: str) -> list[str]:
    return [
        row["tool"],
        f"{row['speed']:.0f}" if row["speed"] >= 20 else f"{row['speed']:.1f}",
        f"{row['speeds'][0]:.0f}–{row['speeds'][-1]:.0f}" if len(row["speeds"]) > 1 else "one run",
        f"{row['cpu'] / row['bytes'] * 1e9:.2f}",
        f"{row['peak_rss'] / 2**20:.0f}",
        f"{row['right']:.0f} of {row['pictures']:.0f}",
        _busy(row["server_cpu"], row["wall"]),
        _busy(row["sink_cpu"], row["wall"]),
        f"{row['database_cpu']:.1f}",
        f"{row['commits'] / row['pictures']:.2f}",
        changed,
    ]


def write_page(document: dict[str, Any], changes: Sequence[Change], goals: str, page: Path) -> None:
    """Put tables, chart and circumstances between the marks of the page; the rest of it is written by people."""
    chart = page.parent / "images/transfer.svg"
    chart.parent.mkdir(exist_ok=True)
    chart.write_text(svg(document))
    about = document["machine"]
    versions = "\n".join(f"- {name}: {version}" for name, version in about["versions"].items())
    text = (
        f"{BEGIN}\n![Pictures a second of each tool](images/transfer.svg)\n\n{table(document, changes)}\n\n"
        f"{goals}\n\nMeasured {document['at']} on {about['processor']}, {about['cores']} cores, {about['system']},"
        f" Python {about['python']}; load average at the end {about['load before the end'][0]:.1f};"
        f" delay kept by {document['delay kept by']}.\n\n{versions}\n\n"
        f"    python -m benchmarks.transfer {shlex.join(document['command'])}\n\n{END}"
    )
    old = page.read_text() if page.exists() else f"# Performance\n\n{BEGIN}{END}\n"
    before, _, rest = old.partition(BEGIN)
    page.write_text(before + text + rest.partition(END)[2])


def svg(document: dict[str, Any]) -> str:
    """Bars of pictures a second, a panel for each network, each to its own scale."""
    parts, top = [], 10
    for network in measured_networks(document):
        rows = medians(document, network)
        most = max(row["speed"] for row in rows)
        parts.append(f'<text x="10" y="{top + 14}" font-weight="bold">{escape(network)}: pictures a second</text>')
        top += 24
        for row in rows:
            width, ours = (WIDTH - LEFT - 60) * row["speed"] / most, row["tool"].startswith("draenei")
            colour = "#7b5ea7" if ours else "#9aa5b1"
            parts.append(f'<text x="{LEFT - 8}" y="{top + 13}" text-anchor="end">{escape(row["tool"])}</text>')
            parts.append(f'<rect x="{LEFT}" y="{top}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>')
            parts.append(f'<text x="{LEFT + width + 6:.1f}" y="{top + 13}">{row["speed"]:.0f}</text>')
            top += BAR + GAP
        top += 12
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}" font-family="sans-serif"'
        f' font-size="12"><rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n'
    )


def _version(program: str, arguments: Sequence[str]) -> str:
    said = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    return (said.stdout or said.stderr).strip().partition("\n")[0][:100]
