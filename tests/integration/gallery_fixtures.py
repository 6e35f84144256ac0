"""What is written of a gallery, read back from its files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def said(folder: Path, kind: str) -> list[Any]:
    """The last argument of every call of that kind in the data."""
    texts = [path.read_text() for path in sorted((folder / "data").glob(f"{kind}*.js"))]
    calls = [text.removeprefix(f"collection.{kind}(").removesuffix(");\n") for text in texts]
    return [json.loads(f"[{call}]")[-1] for call in calls]


def rows(folder: Path) -> dict[str, dict[str, Any]]:
    """The list by id."""
    columns = said(folder, "index")[0]["columns"]
    named = [dict(zip(columns, row, strict=True)) for part in said(folder, "list") for row in part]
    return {row["id"]: row for row in named}


def bytes_by_name(folder: Path) -> dict[str, bytes]:
    """Every file."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
