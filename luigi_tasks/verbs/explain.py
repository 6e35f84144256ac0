"""explain: where a wallpaper comes from."""

from __future__ import annotations

import json

import click

from luigi_tasks import settings
from luigi_tasks.steps import explain as steps


@click.command(help="Where a wallpaper comes from: object, attempts, record, page and position, request, run, code.")
@click.argument("wallhaven_id")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
def explain(wallhaven_id: str, as_json: bool) -> None:
    """Print the chain."""
    facts = steps.explain(settings.load(), wallhaven_id)
    click.echo(json.dumps(facts, default=str) if as_json else "\n".join(steps.lines(facts)))
