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

    The same pictures give the same bytes. cell: width and height in pixels; pictures that are all smaller get smaller
    cells, and more of them in a row. An object that has been taken away since leaves its cell empty. Nothing to draw:
    no file, 0. Raises StoreError.
    """
    found = [_read(store, key, cell) for key in keys[:MAX_PICTURES]]
    drawn = sum(small is not None for small in found)
    if not drawn:
        return 0
    width = columns * (cell[0] + GAP)
    cell = _cell([small.size for small in found if small], cell)
    columns = min(width // (cell[0] + GAP), len(found))
    rows = -(-len(found) // columns)
    with Image.new("RGB", (columns * (cell[0] + GAP) + GAP, rows * (cell[1] + GAP) + GAP), GROUND) as sheet:
        for number, small in enumerate(found):
            if small:
                row, column = divmod(number, columns)
                _draw(sheet, small, (GAP + column * (cell[0] + GAP), GAP + row * (cell[1] + GAP)), cell)
        _save(sheet, destination)
    return drawn


def _cell(sizes: Sequence[tuple[int, int]], most: tuple[int, int]) -> tuple[int, int]:
    """As large as the largest where none fills its cell in either direction."""
    width, height = (max(lengths) for lengths in zip(*sizes, strict=True))
    return (width, height) if width < most[0] and height < most[1] else most


def _read(store: ObjectStore, key: str, cell: tuple[int, int]) -> Image.Image | None:
    try:
        body = store.get(key)
    except ObjectMissing:
        return None
    try:
        return _small(body, cell)
    except DECODER_ERRORS as problem:
        raise StoreError(
            "a stored picture does not decode", where=store.uri(key), mend="Run `python -m luigi_tasks fsck`."
        ) from problem


def _draw(sheet: Image.Image, small: Image.Image, corner: tuple[int, int], cell: tuple[int, int]) -> None:
    centred = (corner[0] + (cell[0] - small.width) // 2, corner[1] + (cell[1] - small.height) // 2)
    sheet.paste(small, centred, mask=small if small.mode == "RGBA" else None)


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
