"""A contact sheet: the stored pictures of a run on one page, as a WebP grid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from luigi_tasks.domain.errors import StoreError
from luigi_tasks.domain.faults import crash_point
from luigi_tasks.gateways import archive_ledger, postgres, upload_ledger, whole_file
from luigi_tasks.gateways.objects import ObjectMissing, ObjectStore
from luigi_tasks.settings import Settings
from luigi_tasks.steps import reports
from luigi_tasks.steps.decoding import DECODER_ERRORS, PNG, open_picture, sniff

MAX_PICTURES = 200
GAP = 6
GROUND = (24, 24, 28)
QUALITY = 80


def path(settings: Settings, run_key: str) -> Path:
    """The sheet of a run, whether or not it is drawn."""
    return reports.path(settings, run_key).with_name(reports.SHEET)


def draw(settings: Settings, run_key: str, store: ObjectStore) -> dict[str, object]:
    """Draw what the run stored: {'drawn': number of pictures, 'contact_sheet': the file's path, None when none}."""
    with postgres.transaction(settings) as cursor:
        keys = upload_ledger.stored_keys(cursor, run_key, MAX_PICTURES)
        keys += archive_ledger.stored_keys(cursor, run_key, MAX_PICTURES)
    destination = path(settings, run_key)
    drawn = contact_sheet(store, keys, destination)
    return {"drawn": drawn, "contact_sheet": str(destination) if drawn else None}


def contact_sheet(
    store: ObjectStore, keys: Sequence[str], destination: Path, *, columns: int = 8, cell: tuple[int, int] = (240, 150)
) -> int:
    """Draw the first 200 pictures, in the order of keys, into destination; the number drawn.

    The same pictures give the same bytes. cell: width and height in pixels. An object that has been taken away since
    leaves its cell empty. Nothing to draw: no file, 0. Raises StoreError.
    """
    shown = keys[:MAX_PICTURES]
    columns = max(1, min(columns, len(shown)))
    rows = -(-len(shown) // columns)
    pitch = (cell[0] + GAP, cell[1] + GAP)
    drawn = 0
    with Image.new("RGB", (columns * pitch[0] + GAP, rows * pitch[1] + GAP), GROUND) as sheet:
        for number, key in enumerate(shown):
            row, column = divmod(number, columns)
            corner = (GAP + column * pitch[0], GAP + row * pitch[1])
            drawn += _draw(sheet, store, key, corner, cell)
        if drawn:
            _save(sheet, destination)
    return drawn


def _draw(sheet: Image.Image, store: ObjectStore, key: str, corner: tuple[int, int], cell: tuple[int, int]) -> bool:
    try:
        body = store.get(key)
    except ObjectMissing:
        return False
    try:
        small = _small(body, cell)
    except DECODER_ERRORS as problem:
        raise StoreError(
            "a stored picture does not decode", where=store.uri(key), mend="Run `python -m luigi_tasks fsck`."
        ) from problem
    centred = (corner[0] + (cell[0] - small.width) // 2, corner[1] + (cell[1] - small.height) // 2)
    sheet.paste(small, centred, mask=small if small.mode == "RGBA" else None)
    return True


def _small(body: bytes, cell: tuple[int, int]) -> Image.Image:
    """At most as large as the cell, RGB or RGBA. A JPEG is decoded at the nearest of its scales above that."""
    with open_picture(body, sniff(body) or PNG) as picture:
        whole = picture.convert("RGBA") if picture.mode == "P" else picture
        whole.thumbnail(cell)
        return whole.convert("RGBA" if whole.has_transparency_data else "RGB")


def _save(sheet: Image.Image, destination: Path) -> None:
    with whole_file.writing(destination) as unfinished:  # the pipeline's lock keeps a second writer away
        crash_point("report.draw.before")
        sheet.save(unfinished, "WEBP", quality=QUALITY, method=4)
        crash_point("report.draw.after")
        crash_point("report.rename.before")
    crash_point("report.rename.after")
