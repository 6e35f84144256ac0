"""The program of the child process in which dbt builds: dbt is imported once, every build is a fork of it.

Run as a file, not as a module of the package: it needs dbt and the standard library, nothing of the pipeline. It reads
requests from standard input, one JSON object a line: {"arguments": ["build", …], "environ": {…}, "folder": "…"}.
Events of dbt go to standard output as dbt writes them; {"ended": exit code} follows when a build's process is gone.
With "places" (the --…-dir and --…-path arguments) and "select" (arguments that select) in the request, a line
{"selected": {unique id: {"parents": […], "compiled": "…", "kept": false}}} comes first, from the same parse as the
build's; with "resume" ({"state": folder, "select": […]}) only what that selects too is built, the rest is kept.
It ends when standard input does.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any

PR_SET_PDEATHSIG = 1
# Objects: a build keeps nearly all that it makes, and to look for rubbish after every 700 costs more than that holds.
COLLECTED_AFTER = 200_000


def die_with_parent() -> None:
    """A dbt that outlives a killed pipeline would build beside the next one."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def serve(invoke: Callable[[Mapping[str, Any]], int]) -> None:
    """One request after another, each in a process of its own: dbt keeps state that outlives an invocation."""
    # Between two builds nothing of it is collected or copied: its memory is shared with every fork.
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTED_AFTER)
    while line := sys.stdin.readline():
        request = json.loads(line)
        own = os.getpid()
        child = os.fork()
        if child == 0:
            sys.exit(_build(request, invoke, own))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(json.dumps({"ended": os.waitstatus_to_exitcode(status)}) + "\n")
        sys.stdout.flush()


def _build(request: dict[str, Any], invoke: Callable[[Mapping[str, Any]], int], parent: int) -> int:
    die_with_parent()
    if os.getppid() != parent:
        return 1
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(request["environ"])
    os.chdir(request["folder"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        return invoke(request)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def run_dbt(request: Mapping[str, Any]) -> int:
    """What the program `dbt` does with the arguments of a request; returns its exit code."""
    from dbt.cli.main import cli

    arguments, context = list(request["arguments"]), {}
    if "select" in request and (manifest := _parse(request)):
        context, chosen, kept = {"manifest": manifest}, _selected(request, manifest), set[str]()
        if request.get("resume") and (again := chosen & _selected({**request, **request["resume"]}, manifest)):
            kept = chosen - again
            arguments = [*request["unselecting"], "--indirect-selection", "empty", "--select", *_names(again, manifest)]
        _tell(chosen, kept, manifest)
    try:
        cli.main([*arguments, *request.get("places", ())], prog_name="dbt", obj=context)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)


def _parse(request: Mapping[str, Any]) -> Any:
    """The project's manifest; None when it cannot be had, which the build itself will then explain."""
    return _quietly(["parse", *request["places"]])


def _selected(request: Mapping[str, Any], manifest: Any) -> set[str]:
    state = ["--state", request["state"]] if "state" in request else []
    words = ["list", "--output", "json", "--output-keys", "unique_id", *request["select"], *state, *request["places"]]
    listed = (json.loads(line)["unique_id"] for line in _quietly(words, manifest) or ())
    return {unique_id for unique_id in listed if _is_built(_node(manifest, unique_id))}


def _quietly(arguments: Sequence[str], manifest: Any = None) -> Any:
    from dbt.cli.main import dbtRunner

    # What it would write, the build itself writes.
    quiet = ["--quiet", "--no-write-json", "--log-level-file", "none"]
    with contextlib.redirect_stdout(io.StringIO()):
        return dbtRunner(manifest).invoke([*quiet, *arguments]).result


def _is_built(node: Any) -> bool:
    return node is not None and node.config.get("materialized") != "ephemeral"


def _node(manifest: Any, unique_id: str) -> Any:
    return manifest.nodes.get(unique_id) or manifest.unit_tests.get(unique_id)


def _names(chosen: Iterable[str], manifest: Any) -> list[str]:
    return [f"fqn:{'.'.join(_node(manifest, unique_id).fqn)}" for unique_id in sorted(chosen)]


def _tell(chosen: Iterable[str], kept: Container[str], manifest: Any) -> None:
    """Where a compiled file stands is dbt's own rule: a file of one node has its name, one of several is a folder."""
    facts = {}
    for unique_id in chosen:
        node = _node(manifest, unique_id)
        file = node.original_file_path
        if os.path.basename(file) != os.path.basename(node.path):
            file = os.path.join(file, node.path)
        compiled = os.path.join(node.package_name, file)
        facts[unique_id] = {
            "parents": list(node.depends_on_nodes),
            "compiled": compiled,
            "kept": unique_id in kept,
        }
    sys.stdout.write(json.dumps({"selected": facts}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for name in ("dbt.cli.main", "dbt.adapters.postgres"):
        importlib.import_module(name)
    serve(run_dbt)
