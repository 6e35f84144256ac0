"""Kaggle: image datasets with tables, of the shape of Fashion Product Images.

Docs         https://www.kaggle.com/docs/api and
             https://www.kaggle.com/datasets/paramaggarwal/fashion-product-images-small
Pages        none: a dataset is one zip; styles.csv and images.csv (44,424 lines each) are taken out of it as two pages,
             and images/{id}.jpg are pictures
Rate limit   none is documented; a run is one download
Credential   KAGGLE_USERNAME and KAGGLE_KEY, or Kaggle's own kaggle.json; sent as HTTP Basic to the API's host alone
Raw tables   raw.kaggle_styles, raw.kaggle_images
Traps        productDisplayName is the last column and may hold commas that nobody quoted; the tables stand at the
             archive's top or in a folder, once more in a copy below it; links may say `undefined`
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence

from luigi_tasks.domain.errors import SettingsError, SourceError
from luigi_tasks.domain.run import Query
from luigi_tasks.sources.contract import Entity, Page

NAME = "kaggle"
CREDENTIAL_HEADER = ""
EVERY_MINUTES = 7 * 24 * 60
CSV = ("text/csv",)
ENTITIES: Mapping[str, Entity] = {
    "styles": Entity("raw.kaggle_styles", "kaggle_styles.json", media=CSV, clean=True),
    "images": Entity("raw.kaggle_images", "kaggle_images.json", media=CSV, clean=True),
}
KEYS = {"styles": "id", "images": "filename"}
FILES = {"styles.csv": "styles", "images.csv": "images"}
NUMBERS = frozenset({"id", "year"})
DATASET = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}/[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
FILENAME = re.compile(r"[^/\\]{1,200}")
LARGEST_ID = 2**63 - 1
INTEGER = re.compile(r"[+-]?[0-9]{1,18}")


def query(text: str, filters: Mapping[str, str | None]) -> Query:
    """The query for a dataset. Raises SettingsError when it is not owner/name."""
    if not DATASET.fullmatch(text):
        raise SettingsError(f"{text[:80]!r} is no dataset", mend="Name it as its address does: --dataset owner/name.")
    return Query.of(NAME, text.lower(), {})


def root(names: Sequence[str]) -> str:
    """The folder of the styles.csv that stands highest. Raises SourceError when there is none."""
    found = [name for name in names if name.rpartition("/")[2] == "styles.csv"]
    if not found:
        raise SourceError("the archive has no styles.csv", mend="Only datasets of this shape can be read: see README.")
    highest = min(found, key=lambda name: (name.count("/"), name))
    return highest.removesuffix("styles.csv")


def entity_of(name: str) -> str | None:
    """styles.csv and images.csv at the root."""
    return FILES.get(name)


def parse(entity: str, body: bytes) -> Page:
    """Read a table line by line, whole numbers as such. Raises SourceError when its first line is no header.

    A cell that should be a number and is none stays text, and a line that lacks cells lacks fields: the schema refuses
    both. Cells beyond the last column belong to it. Bytes that are no UTF-8 become what no database holds.
    """
    lines = body.decode("utf-8-sig", "surrogateescape").splitlines()
    header = _cells(lines[0]) if lines else []
    if KEYS[entity] not in header:
        raise SourceError(f"the table {entity} has no column {KEYS[entity]}: it starts with {','.join(header)[:60]!r}")
    records = tuple(_record(header, _cells(line)) for line in lines[1:] if line.strip())
    return Page(records, total=len(records))


def record_id(record: object) -> str | None:
    """A product's number, or a picture's file name."""
    if not isinstance(record, dict):
        return None
    if "filename" in record:
        found = record["filename"]
        return found if isinstance(found, str) and FILENAME.fullmatch(found) and found.isprintable() else None
    found = record.get("id")
    usable = isinstance(found, int) and not isinstance(found, bool) and 0 < found <= LARGEST_ID
    return str(found) if usable else None


def _cells(line: str) -> list[str]:
    """One line is one record; a quote that nobody closed is a character like others."""
    try:
        return next(csv.reader([line], strict=True))
    except csv.Error:
        return line.split(",")


def _record(header: Sequence[str], cells: Sequence[str]) -> dict[str, object]:
    last = len(header) - 1
    whole = [*cells[:last], ",".join(cells[last:])] if len(cells) > last else cells
    return {name: _value(name, cell) for name, cell in zip(header, whole, strict=False)}


def _value(name: str, cell: str) -> object:
    text = cell.strip()
    if not text:
        return None
    return int(text) if name in NUMBERS and INTEGER.fullmatch(text) else text
