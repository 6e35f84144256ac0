"""config: every setting, its value and where it comes from."""

from __future__ import annotations

import click

from luigi_tasks import settings

MASK = "********"


@click.command(help="Every setting and its value; secrets are masked.")
@click.option("--show-origin", is_flag=True, help="Say where each value comes from.")
def config(show_origin: bool) -> None:
    """Print the settings."""
    found = settings.origins()
    own = settings.load()
    for name in settings.Settings.model_fields:
        value = getattr(own, name)
        shown = MASK if name in settings.SECRETS and value is not None else _text(value)
        origin = f"{found.get(name, 'default'):<13}" if show_origin else ""
        click.echo(f"{origin}{name.upper()}={shown}")


def _text(value: object) -> str:
    if value is None:
        return ""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
