"""profiles.yml: how dbt finds the warehouse, for the pipeline's dbt and for dbt by hand."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from luigi_tasks.domain.faults import crash_point

REPOSITORY = Path(__file__).resolve().parents[2]
# libpq tries the hosts in turn and reports each, so dbt's own error message ends in the command that mends it.
WHEN_DOWN = "/the embedded database is down: start it with `python -m luigi_tasks up`"

HEAD = "# Written by `python -m luigi_tasks up`; PG* variables stand above it. It holds a password.\n"


def write_profile(folder: Path, address: Mapping[str, str] | None, *, embedded: bool = True, role: str = "") -> Path:
    """Write folder/profiles.yml, 0600 and all at once.

    address: what holds without PG* in the environment, under their names; None: nothing does.
    embedded: it is the embedded server's, so that an error message may say how to start it.
    role: what the user of the address is to act as, '' when it has rights of its own.
    """
    import yaml

    text = HEAD + yaml.safe_dump(_profile(address or {}, embedded, role), sort_keys=False, width=1000)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "profiles.yml"
    with _leftovers_swept(folder):
        if path.exists() and path.read_text() == text:
            return path
        descriptor, temporary = tempfile.mkstemp(prefix=".profiles.yml.", dir=folder)  # 0600
        with open(descriptor, "w") as file:
            file.write(text)
        crash_point("profile.rename.before")
        Path(temporary).replace(path)
        crash_point("profile.rename.after")
    return path


@contextlib.contextmanager
def _leftovers_swept(folder: Path) -> Iterator[None]:
    """What killed writers left is removed, for it holds a password; a living writer shares the folder's lock."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):  # somebody is writing, or the file system cannot tell
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for leftover in folder.glob(".profiles.yml.*"):
                leftover.unlink(missing_ok=True)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def _profile(address: Mapping[str, str], embedded: bool, role: str) -> dict[str, object]:
    hosts = ",".join(filter(None, (address.get("PGHOST"), WHEN_DOWN if embedded else None)))
    warehouse = {
        "type": "postgres",
        "host": _unless_set("PGHOST", hosts),
        "port": _unless_set("PGPORT", address.get("PGPORT", "5432"), " | as_number"),
        "user": _unless_set("PGUSER", address.get("PGUSER", "draenei")),
        "password": _unless_set("PGPASSWORD", address.get("PGPASSWORD", "")),
        "dbname": _unless_set("PGDATABASE", address.get("PGDATABASE", "draenei")),
        "role": _role(role),
        "schema": "draenei_content",
        "threads": 4,
        "connect_timeout": 10,
    }
    return {"draenei": {"target": "warehouse", "outputs": {"warehouse": warehouse}}}


def _unless_set(name: str, value: str, cast: str = "") -> str:
    """dbt reads these as Jinja, whose string literals are Python's."""
    return f"{{{{ env_var('{name}', {value!r}){cast} }}}}"


def _role(name: str) -> str:
    """What dbt acts as: DRAENEI_DBT_ROLE, else that of the profile's user unless PG* names another server or user."""
    known = "env_var('PGHOST', '') or env_var('PGUSER', '')"
    return f"{{{{ env_var('DRAENEI_DBT_ROLE', '' if {known} else {name!r}) }}}}"
