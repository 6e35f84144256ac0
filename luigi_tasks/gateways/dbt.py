"""dbt in a child process: its events feed the progress, its exit code and run_results.json are the truth.

The child is kept for the process's next build (gateways/dbt_process.py).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luigi_tasks.domain.errors import ModelError
from luigi_tasks.domain.progress import Progress
from luigi_tasks.gateways.dbt_process import environ, kept_child

PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"
BAD = frozenset({"error", "fail", "runtime error"})
NO_SELECTION_IS_AN_ERROR = '{"error": ["NoNodesForSelectionCriteria"]}'


@dataclass(frozen=True)
class NodeResult:
    """What became of a model, test or snapshot. status is dbt's own word; failures counts a test's rows."""

    unique_id: str
    status: str
    execution_seconds: float
    failures: int | None
    message: str | None
    compiled_path: str | None

    @property
    def resource_type(self) -> str:
        """model test unit_test snapshot seed …"""
        return self.unique_id.split(".")[0]

    @property
    def name(self) -> str:
        """The node's name, without its package and hash."""
        return self.unique_id.split(".")[3 if self.resource_type == "unit_test" else 2]


@dataclass(frozen=True)
class BuildResult:
    """One finished build."""

    invocation_id: str
    nodes: tuple[NodeResult, ...]
    exit_code: int
    last_words: str

    @property
    def is_good(self) -> bool:
        """True when everything was built and every test passed."""
        return self.exit_code == 0 and bool(self.nodes) and not any(node.status in BAD for node in self.nodes)

    @property
    def relations(self) -> list[str]:
        """The tables and views that were built."""
        return sorted({node.name for node in self.nodes if node.resource_type in {"model", "seed", "snapshot"}})

    def raise_when_failed(self) -> None:
        """Raise ModelError that names the first node that failed, with what to type."""
        failed = [node for node in self.nodes if node.status in BAD]
        if not failed and self.exit_code == 0:
            return
        if not failed:
            raise ModelError(f"dbt ended with {self.exit_code}: {self.last_words}", where=str(PROJECT))
        first = failed[0]
        more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
        raise ModelError(
            f"dbt {first.resource_type} {first.name} failed{more}: {_one_line(first.message)}",
            where=first.compiled_path or str(PROJECT),
            mend=f"Look closer with `dbt build --project-dir dbt_project --select {first.name}`.",
        )


@dataclass(frozen=True)
class Resume:
    """What is to be built again after a build that failed. state: the folder of its manifest and run results."""

    state: Path
    select: tuple[str, ...]


@dataclass(frozen=True)
class Dbt:
    """dbt against one warehouse. variables: PG* and what the models read by env_var; nothing else is handed on.

    folder: profiles.yml stands there; target, with dbt's cache of the parsed project, and logs go below it.
    project: the folder of dbt_project.yml. observe: is told every event that is more than debugging, as dbt's JSON log
    has it, a node's start (LogStartLine) and end (Log…Result) among them.
    """

    variables: Mapping[str, str]
    folder: Path
    project: Path = PROJECT
    observe: Callable[[Mapping[str, Any]], None] | None = None

    def build(
        self,
        progress: Progress,
        select: Sequence[str] = (),
        exclude_types: Sequence[str] = ("unit_test",),
        resume: Resume | None = None,
    ) -> BuildResult:
        """`dbt build` of the selection, of everything when it is empty; tests gate what is downstream of them.

        exclude_types: what is left out; unit tests speak of the code alone, which a run does not change.
        resume: of the selection only what this selects too; the whole of it when that is nothing.
        """
        always = ["build", "--warn-error-options", NO_SELECTION_IS_AN_ERROR]
        choice = [word for kind in exclude_types for word in ("--exclude-resource-type", kind)]
        if select:
            # Cautious: a test of another source that shares a ledger with this one is not ours to run.
            choice += ["--indirect-selection", "cautious", "--select", *select]
        request: dict[str, Any] = {"arguments": [*always, *choice], "unselecting": always}
        if resume or self.observe:
            request["select"] = choice
        if resume:
            request["resume"] = {"state": str(resume.state), "select": ["--select", *resume.select]}
        with self._folder_alone():
            (self.folder / "target" / "run_results.json").unlink(missing_ok=True)
            exit_code, last_words = self._invoke(request, progress)
            invocation_id, nodes = self._results()
        return BuildResult(invocation_id, nodes, exit_code, last_words)

    def document(self, progress: Progress) -> Path:
        """`dbt docs generate --static`: one page with every model, column and test. Raises ModelError."""
        page = self.folder / "target" / "static_index.html"
        with self._folder_alone():
            exit_code, last_words = self._invoke({"arguments": ["docs", "generate", "--static"]}, progress)
        if exit_code:
            raise ModelError(f"dbt docs ended with {exit_code}: {last_words}", where=str(self.project))
        return page

    def _invoke(self, request: dict[str, Any], progress: Progress) -> tuple[int, str]:
        places = ["--project-dir", str(self.project), "--profiles-dir", str(self.folder)]
        places += ["--target-path", str(self.folder / "target"), "--log-path", str(self.folder / "logs")]
        known = {**environ(), **self.variables}
        if role := known.get("DRAENEI_DBT_ROLE"):
            known["PGOPTIONS"] += f" -c role={role}"  # what the profile sets is undone by dbt's first rollback
        if "PGPASSWORD" in known:
            known.pop("PGPASSFILE", None)  # it may hold the pipeline's, which is not dbt's to know
        request = {**request, "places": places, "environ": known, "folder": str(self.folder)}
        last_words = ""
        with kept_child() as child:
            for event in child.invoke(request):
                last_words = _words(event) or last_words
                _report(event, progress)
                if self.observe:
                    self.observe(event)
        return child.exit_code, last_words

    @contextlib.contextmanager
    def _folder_alone(self) -> Iterator[None]:
        # Two warehouses may share a folder; what dbt writes there, its cache of the project first of all, is one's.
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _results(self) -> tuple[str, tuple[NodeResult, ...]]:
        path = self.folder / "target" / "run_results.json"
        if not path.exists():
            return "", ()
        document = json.loads(path.read_text())
        return document["metadata"]["invocation_id"], tuple(_node(result) for result in document["results"])


def _words(event: Mapping[str, Any]) -> str | None:
    info = event.get("info", {})
    return _one_line(info.get("msg")) if info.get("level") == "error" else None


def _report(event: Mapping[str, Any], progress: Progress) -> None:
    data = event.get("data", {})
    if event.get("info", {}).get("name") in {"LogModelResult", "LogTestResult", "LogNodeResult"}:
        node = data.get("node_info", {}).get("node_name") or data.get("name", "")
        progress.update(data.get("index", 0), data.get("total", 0), note=f"{data.get('status', '')} {node}")


def _node(result: Mapping[str, Any]) -> NodeResult:
    return NodeResult(
        unique_id=result["unique_id"],
        status=result["status"],
        execution_seconds=result["execution_time"],
        failures=result["failures"],
        message=result["message"],
        compiled_path=result.get("compiled_path"),
    )


def _one_line(text: str | None) -> str:
    return " ".join((text or "no message").split())[:500]
