"""What dbt wrote about a build, kept by run: DRAENEI_HOME/dbt/runs/RUN/STEP/{manifest,run_results,build}.json.

build.json is ours: what a later build of the same step needs to know to go on where this one failed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from luigi_tasks.gateways import whole_file
from luigi_tasks.gateways.dbt import BuildResult, Resume

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

NOT_DONE = ("result:error", "result:fail", "result:skipped", "result:runtime error")
FAILED_NODES = 1  # dbt's exit code of a build that came to its end


@dataclass(frozen=True)
class Kept:
    """The folder of a run's step."""

    runs: Path
    run_key: str
    step: str

    @property
    def folder(self) -> Path:
        """A run key has slashes; a folder a run is easier to look through."""
        return self.runs / self.run_key.replace("/", "__") / self.step

    def keep(self, target: Path, result: BuildResult, asked: Mapping[str, Any], counters: Mapping[str, int]) -> None:
        """Keep the artefacts of a build that came to its end. asked: what was to be built, and how.

        counters: how often each table that dbt reads was changed so far.
        """
        if not result.nodes:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "build.json").unlink(missing_ok=True)  # until everything is there, nobody goes on from it
        for name in ("manifest.json", "run_results.json"):
            shutil.copyfile(target / name, self.folder / name)
        facts = {"invocation_id": result.invocation_id, "exit_code": result.exit_code, "asked": digest(asked)}
        with whole_file.writing(self.folder / "build.json") as unfinished:
            unfinished.write_text(json.dumps({**facts, "counters": dict(counters)}))
        os.utime(self.folder.parent)  # the run that was built last

    def resume(self, asked: Mapping[str, Any], counters: Mapping[str, int], last_build: str | None) -> Resume | None:
        """What to build again: what did not end well, what changed in the project, what reads a table that changed.

        None, so everything: nothing is kept, it did not fail, another build came since, or something else was asked.
        """
        try:
            facts = json.loads((self.folder / "build.json").read_text())
        except (FileNotFoundError, ValueError):
            return None
        same = (facts["invocation_id"], facts["asked"]) == (last_build, digest(asked))
        if not same or facts["exit_code"] != FAILED_NODES:
            return None
        changed = {table for table, count in counters.items() if facts["counters"].get(table) != count}
        return Resume(self.folder, (*NOT_DONE, "state:modified+", *self._readers_of(changed)))

    def _readers_of(self, tables: set[str]) -> list[str]:
        sources = json.loads((self.folder / "manifest.json").read_text())["sources"].values()
        return [
            f"source:{source['source_name']}.{source['name']}+"
            for source in sources
            if f"{source['schema']}.{source['identifier']}" in tables
        ]

    def sweep(self, keep: int) -> None:
        """Remove all runs but the `keep` that were built last."""
        with contextlib.suppress(FileNotFoundError):
            found = sorted(self.runs.iterdir(), key=lambda run: run.stat().st_mtime_ns, reverse=True)
            for run in found[keep:]:
                shutil.rmtree(run, ignore_errors=True)


def digest(asked: Mapping[str, Any]) -> str:
    """SHA-256 of what was asked; passwords are not told by it."""
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def counters(cursor: Cursor, schemas: Sequence[str] = ("raw", "ops")) -> dict[str, int]:
    """Rows ever inserted, updated and deleted, by table. A server that crashed counts from 0: everything changed."""
    cursor.execute(
        "select schemaname || '.' || relname, n_tup_ins + n_tup_upd + n_tup_del from pg_stat_user_tables"
        " where schemaname = any(%s)",
        (list(schemas),),
    )
    return dict(cursor.fetchall())


def last_build(cursor: Cursor) -> str | None:
    """The invocation that began last, whoever began it."""
    cursor.execute("select invocation_id from ops.dbt_builds order by started_at desc limit 1")
    row = cursor.fetchone()
    return row[0] if row else None
