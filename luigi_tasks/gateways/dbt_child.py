"""The program of the child process in which dbt builds: dbt is imported once, every build is a fork of it.

Run as a file, not as a module of the package: it needs dbt and the standard library, nothing of the pipeline. It reads
requests from standard input, one JSON object a line: {"arguments": ["build", …], "environ": {…}, "folder": "…"}.
Events of dbt that are more than debugging go to standard output, one JSON object a line as in dbt's JSON log;
{"ended": exit code} follows when a build's process is gone.
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
import threading
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

PR_SET_PDEATHSIG = 1
# Objects: a build keeps nearly all that it makes, and to look for rubbish after every 700 costs more than that holds.
COLLECTED_AFTER = 200_000
# What dbt itself imports only when it builds.
IMPORTED = (
    "dbt.cli.main",
    "dbt.adapters.postgres",
    "dbt.task.build",
    "dbt.task.list",
    "dbt_common.clients.agate_helper",
)
UNTOLD = frozenset({"debug", "test"})
WRITING = threading.Lock()  # any of dbt's threads does


def die_with_parent() -> None:
    """A dbt that outlives a killed pipeline would build beside the next one."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Parsed(NamedTuple):
    """A manifest and what it was parsed from."""

    source: object
    manifest: Any


def serve() -> None:
    """One request after another, each in a process of its own: dbt keeps state that outlives an invocation.

    But the first is parsed here, so that every fork has what dbt loads and compiles for that, and the manifest.
    """
    parsed = None
    while line := sys.stdin.readline():
        request = json.loads(line)
        if parsed is None:
            _enter(request)
            parsed = parse_first(request)
            # Between two builds nothing of it is collected or copied: its memory is shared with every fork.
            gc.freeze()
        own = os.getpid()
        child = os.fork()
        if child == 0:
            sys.exit(_build(request, parsed, own))
        _, status = os.waitpid(child, 0)
        _say({"ended": os.waitstatus_to_exitcode(status)})


def _build(request: Mapping[str, Any], parsed: Parsed | None, parent: int) -> int:
    die_with_parent()
    if os.getppid() != parent:
        return 1
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _enter(request)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        return run_dbt(request, parsed)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _enter(request: Mapping[str, Any]) -> None:
    os.environ.clear()
    os.environ.update(request["environ"])
    os.chdir(request["folder"])


def run_dbt(request: Mapping[str, Any], parsed: Parsed | None) -> int:
    """What the program `dbt` does with the arguments of a request; returns its exit code."""
    from dbt.cli.main import cli

    arguments, context = list(request["arguments"]), {"callbacks": [_hear]}
    if "select" in request and (manifest := _manifest(request, parsed)):
        context["manifest"] = manifest
        chosen, kept = _selected(request, manifest), set[str]()
        if request.get("resume") and (again := chosen & _selected({**request, **request["resume"]}, manifest)):
            kept = chosen - again
            arguments = [*request["unselecting"], "--indirect-selection", "empty", "--select", *_names(again, manifest)]
        _tell(chosen, kept, manifest)
    try:
        # dbt's own JSON log makes a line of every event that it then leaves out: they are a tenth of a build.
        quiet = ["--log-level", "none", "--log-level-file", "debug"]
        cli.main([*arguments, *quiet, *request.get("places", ())], prog_name="dbt", obj=context)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)


def _hear(event: Any) -> None:
    from dbt_common.events.functions import env_scrubber, msg_to_json

    if event.info.level not in UNTOLD:
        _write(env_scrubber(msg_to_json(event)))


def _say(facts: Mapping[str, Any]) -> None:
    _write(json.dumps(facts))


def _write(line: str) -> None:
    with WRITING:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def parse_first(request: Mapping[str, Any]) -> Parsed | None:
    """The manifest of a request that needs one; None when it cannot be had, or something changed meanwhile."""
    if "select" not in request:
        return None
    source = _source(request)
    manifest = _parse(request)
    return Parsed(source, manifest) if manifest and source == _source(request) else None


def _manifest(request: Mapping[str, Any], parsed: Parsed | None) -> Any:
    if parsed and parsed.source == _source(request):
        return parsed.manifest
    return _parse(request)


def _source(request: Mapping[str, Any]) -> object:
    """All that decides what a parse finds: the profile, the environment, and the state of every file of the project."""
    places = dict(zip(request["places"][::2], request["places"][1::2], strict=True))
    project = places["--project-dir"]
    files = [os.path.join(folder, name) for folder, _, names in os.walk(project) for name in names]
    profile = os.path.join(places["--profiles-dir"], "profiles.yml")
    return project, _text(profile), request["environ"], {file: _state(file) for file in files}


def _text(file: str) -> str | None:
    try:
        with open(file) as opened:
            return opened.read()
    except FileNotFoundError:
        return None


def _state(file: str) -> object:
    try:
        found = os.stat(file)
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _parse(request: Mapping[str, Any]) -> Any:
    """The project's manifest; None when it cannot be had, which the build itself will then explain."""
    # dbt's static parser starts threads that a fork does not have, and would wait for; it is no faster.
    return _quietly(["parse", "--no-static-parser", *request["places"]])


def _selected(request: Mapping[str, Any], manifest: Any) -> set[str]:
    state = ["--state", request["state"]] if "state" in request else []
    words = ["list", "--output", "json", "--output-keys", "unique_id", *request["select"], *state, *request["places"]]
    listed = (json.loads(line)["unique_id"] for line in _quietly(words, manifest) or ())
    return {unique_id for unique_id in listed if _is_built(_node(manifest, unique_id))}


def _quietly(arguments: Sequence[str], manifest: Any = None) -> Any:
    from dbt.cli.main import dbtRunner

    # What it would write, the build itself writes.
    quiet = ["--log-level", "none", "--no-write-json", "--log-level-file", "none"]
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
    _say({"selected": facts})


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.set_threshold(COLLECTED_AFTER)
    # Locks of threads, of which a build consists: those of processes need a file and a process that clears them away.
    vars(importlib.import_module("dbt.mp_context"))["_MP_CONTEXT"] = threading
    for name in IMPORTED:
        importlib.import_module(name)
    serve()
