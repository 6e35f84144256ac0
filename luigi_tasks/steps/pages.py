"""HTML pages that stand alone: templates that escape what they are given, one style sheet, no network, no script."""

from __future__ import annotations

import datetime
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from luigi_tasks.domain.errors import PipelineError
from luigi_tasks.domain.progress import human_bytes, human_seconds
from luigi_tasks.gateways import whole_file

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).with_name("templates")


def write(template: str, path: Path, facts: dict[str, Any]) -> Path:
    """Write a page all at once. Raises PipelineError when the file cannot be written."""
    text = _environment().get_template(template).render(facts)
    try:
        with whole_file.writing(path) as unfinished:
            unfinished.write_text(text, encoding="utf-8", errors="replace")
    except OSError as problem:
        raise PipelineError(
            f"a report was not written: {problem.strerror}", where=str(path), mend="Free or allow that folder."
        ) from None
    return path


@functools.cache
def _environment() -> Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": lambda value: "–" if value is None else f"{value:,}",
        "money": lambda value: f"{value:,.0f}",
        "bytes": lambda value: human_bytes(float(value or 0)),
        "took": seconds,
        "some": some,
        "moment": moment,
    }
    return environment


def seconds(value: float | None) -> str:
    """12 s, 0.42 s, 12.3 s, 12:30 min, 1:02:03 h; a dash for what nobody measured."""
    if value is None:
        return "–"
    if value < 59.95 and value == int(value):
        return f"{value:.0f} s"
    if value < 59.95:
        return f"{value:.{2 if value < 9.995 else 1}f} s"
    return f"{human_seconds(value)} {'h' if round(value) >= 3600 else 'min'}"


def some(number: int, one: str) -> str:
    """'1 answer', '2 answers'."""
    return f"{number:,} {one}{'' if number == 1 else 's'}"


def moment(value: datetime.datetime | str | None) -> str:
    """2026-11-21 07:00:05 in UTC; a dash for never."""
    if value is None:
        return "–"
    if isinstance(value, str):
        value = datetime.datetime.fromisoformat(value)
    return value.strftime("%Y-%m-%d %H:%M:%S")
