"""gallery: write the static gallery, and bring it to the bucket."""

from __future__ import annotations

from pathlib import Path

import click

from luigi_tasks import settings


@click.command(
    help="Write a gallery of everything that is stored: open its index.html, no server needed.\n\n"
    "\b\nExamples:\n  python -m luigi_tasks gallery\n  python -m luigi_tasks gallery --upload"
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Default: DRAENEI_HOME/gallery.")
@click.option("--upload", is_flag=True, help="Also to the bucket, under gallery/; it stays as private as the bucket.")
def gallery(out: Path | None, upload: bool) -> None:
    """Write it and say where it is."""
    from luigi_tasks.steps import gallery as steps
    from luigi_tasks.steps import session

    own = settings.load()
    store = session.checked_store(own)
    folder = out.expanduser().resolve() if out else steps.home(own)
    written = steps.write(own, store, folder)
    click.echo(f"{written['gallery_pictures']} pictures: {Path(str(written['gallery'])).as_uri()}")
    if upload:
        click.echo(steps.upload(own, store, folder)["gallery_in_bucket"])
