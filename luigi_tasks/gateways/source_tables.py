"""Which tables hold what a source's responses say, with the key of each: read off its folders of the dbt project."""

from __future__ import annotations

import functools
import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2] / "dbt_project" / "models"
SCHEMAS = {"intermediate": "draenei_intermediate", "marts": "draenei_content"}
RAW_KEY = ("body_sha256", "position")
UNIQUE = re.compile(r"'columns': \[([^\]]+)\], 'unique': true")
OWN_SCHEMA = re.compile(r"\bschema='(\w+)'")
RAW_TABLE = re.compile(r"^      - name: (\w+)$", re.MULTILINE)
# What became of an archive's files is a ledger of the lake, as ops.uploads is, and no response's; nor is which runs
# were complete.
NOT_OF_RESPONSES = frozenset(
    {
        *("kaggle_images", "kaggle_duplicate_pairs", "kaggle_duplicate_clusters"),
        *("kaggle_product_images", "kaggle_product_counts", "kaggle_picture_counts"),
        "randomuser_missing_minutes",
    }
)


@functools.cache
def tables(source: str, project: Path = PROJECT) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """(table, its unique key) of each raw table, then of each model that responses feed; () where none is."""
    raw = project / "staging" / source / f"_{source}__sources.yml"
    found: list[tuple[str, tuple[str, ...]]] = [(f"raw.{name}", RAW_KEY) for name in RAW_TABLE.findall(raw.read_text())]
    for layer, schema in SCHEMAS.items():
        for path in sorted((project / layer / source).glob("*.sql")):
            text = path.read_text()
            if path.stem not in NOT_OF_RESPONSES:
                own, unique = OWN_SCHEMA.search(text), UNIQUE.search(text)
                key = tuple(column.strip(" '") for column in unique[1].split(",")) if unique else ()
                found.append((f"{own[1] if own else schema}.{path.stem}", key))
    return tuple(found)
