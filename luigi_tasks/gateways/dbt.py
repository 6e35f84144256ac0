"""dbt as one child process: its events feed the progress, its exit code and run_results.json are the truth."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luigi_tasks.domain.errors import ModelError
from luigi_tasks.domain.progress import Progress

PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"
BAD = frozenset({"error", "fail", "runtime error"})
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "PGSSLMODE", "PGSSLROOTCERT", "PGPASSFILE")
PR_SET_PDEATHSIG = 1
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
class Dbt:
    """dbt against one warehouse. variables: PG* and what the models read by env_var; nothing else is handed on.

    folder: profiles.yml stands there; target and logs go below it. project: the folder of dbt_project.yml.
    """

    variables: Mapping[str, str]
    folder: Path
    project: Path = PROJECT

    def build(self, progress: Progress, select: Sequence[str] = ()) -> BuildResult:
        """`dbt build` of the selection, of everything when it is empty; tests gate what is downstream of them."""
        arguments = ["build", "--log-format", "json", "--warn-error-options", NO_SELECTION_IS_AN_ERROR]
        if select:
            arguments += ["--select", *select]
        (self.folder / "target" / "run_results.json").unlink(missing_ok=True)
        child = self._start(arguments)
        last_words = ""
        try:
            for event in _events(child):
                last_words = _words(event) or last_words
                _report(event, progress)
        except BaseException:
            child.kill()
            raise
        finally:
            exit_code = child.wait()
        invocation_id, nodes = self._results()
        return BuildResult(invocation_id, nodes, exit_code, last_words)

    def _start(self, arguments: Sequence[str]) -> subprocess.Popen[str]:
        command = [str(Path(sys.executable).with_name("dbt")), *arguments]
        command += ["--project-dir", str(self.project), "--profiles-dir", str(self.folder)]
        command += ["--target-path", str(self.folder / "target"), "--log-path", str(self.folder / "logs")]
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        environment |= {
            **self.variables,
            "PGOPTIONS": "-c timezone=UTC -c client_connection_check_interval=1000",
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "DO_NOT_TRACK": "1",
            "DBT_USE_COLORS": "false",
            "DBT_LOG_FILE_MAX_BYTES": str(10 << 20),
        }
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call, nothing that takes a lock
        )

    def _results(self) -> tuple[str, tuple[NodeResult, ...]]:
        path = self.folder / "target" / "run_results.json"
        if not path.exists():
            return "", ()
        document = json.loads(path.read_text())
        return document["metadata"]["invocation_id"], tuple(_node(result) for result in document["results"])


def _die_with_parent() -> None:
    # A dbt that outlives a killed pipeline would build beside the next one.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _events(child: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert child.stdout is not None
    with child.stdout:
        for line in child.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                event = {"info": {"level": "error", "msg": line.strip()}}
            yield event


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
