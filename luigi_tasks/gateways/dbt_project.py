"""What the dbt project is: a digest of everything that decides what a build of it does, apart from the data."""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path

WRITTEN_BY_DBT = frozenset({"target", "logs", "dbt_packages", "__pycache__"})


def digest(project: Path, profile: Path) -> str:
    """SHA-256 of the project's files with their names, of the profile, and of dbt's own versions."""
    hashed = hashlib.sha256()
    for name in ("dbt-core", "dbt-postgres"):
        hashed.update(f"{name} {metadata.version(name)}\n".encode())
    hashed.update(profile.read_bytes())
    for path in sorted(project.rglob("*")):
        within = path.relative_to(project)
        if path.is_file() and not WRITTEN_BY_DBT & set(within.parts):
            content = path.read_bytes()
            hashed.update(f"\n{within.as_posix()} {len(content)}\n".encode() + content)
    return hashed.hexdigest()
