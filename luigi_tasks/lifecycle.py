"""How a luigi process begins and ends: the lock, exit code 10, Ctrl-C and SIGTERM, errors as one line, the summary."""

from __future__ import annotations

import atexit
import logging
import os
import re
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

import luigi
import luigi.rpc
from luigi.interface import PidLockAlreadyTakenExit

from luigi_tasks.domain.errors import AlreadyRunning, PipelineError
from luigi_tasks.domain.run import Run
from luigi_tasks.gateways import postgres, run_ledger, scheduler_nodes
from luigi_tasks.watching import scheduler_url

if TYPE_CHECKING:
    from luigi_tasks.settings import Settings
    from luigi_tasks.steps.session import Session

Told = Callable[["Settings", str], object]

log = logging.getLogger("luigi-interface")
_sessions: dict[str, Session] = {}
_said: set[str] = set()
OWN_ERROR = re.compile(r"^luigi_tasks\.domain\.errors\.\w+: (.+)\Z", re.MULTILINE | re.DOTALL)


def hold(settings: Settings, run: Run) -> None:
    """Take the source's lock for this process and enter the run, once; a complete run needs neither.

    Raises PidLockAlreadyTakenExit, which Luigi turns into exit code 10, when another process holds the lock.
    """
    from luigi_tasks.steps import session

    source = run.query.source
    if source not in _sessions:
        session.open_warehouse(settings)
    with postgres.transaction(settings) as cursor:
        if run_ledger.step_result(cursor, run.key, "Report") is not None:
            run_ledger.settle_run(cursor, run.key)  # a process that was killed after its report left it open
            _say_complete(source, run.key)
            return
    if source not in _sessions:
        _sessions[source] = _begin(settings, source)
    _sessions[source].open(run)
    _take_over(run)


def _say_complete(source: str, run_key: str) -> None:
    """Say once that a run was complete before this process came; of its own runs the summary speaks."""
    if run_key in _said or (source in _sessions and run_key in _sessions[source].runs):
        return
    _said.add(run_key)
    print(f"Run {run_key} is complete: nothing to do", flush=True)


def _take_over(run: Run) -> None:
    """Tell the central scheduler that a killed process's tasks run no more: the lock, which we have, proves it.

    It would believe in the dead worker for a minute, and this process would find nothing to do and exit with 10.
    dbt's nodes that a killed build did not come to will not come by themselves either.
    """
    if (url := scheduler_url()) is None:
        return
    scheduler: Any = luigi.rpc.RemoteScheduler(url)
    _end_killed(scheduler, run, scheduler.task_list(status="RUNNING", upstream_status=""))
    waiting = scheduler.task_list(status="PENDING", upstream_status="")
    blocked = scheduler.task_list(status="PENDING", upstream_status="UPSTREAM_FAILED")
    nodes = {name: task for name, task in waiting.items() if task["name"].startswith(scheduler_nodes.FAMILY + ".")}
    _end_killed(scheduler, run, {name: task for name, task in nodes.items() if name not in blocked})


def _end_killed(scheduler: Any, run: Run, tasks: dict[str, Any]) -> None:
    for task_id, task in tasks.items():
        if (task["params"].get("source"), task["params"].get("run_id")) == (run.query.source, run.run_id):
            worker = task["worker_running"] or scheduler_nodes.NOBODY
            scheduler.add_task(worker=worker, task_id=task_id, status="FAILED", expl="it was killed", runnable=False)


def _begin(settings: Settings, source: str) -> Session:
    # Now, because a process that ends may import nothing more.
    from luigi_tasks.steps import metrics, notify, overview, run_report, session, summary

    try:
        begun = session.Session(settings, source)
    except AlreadyRunning as problem:
        print(problem, file=sys.stderr)
        raise PidLockAlreadyTakenExit from None
    _tell(settings, source, (metrics.begin,))
    last = (metrics.tell, overview.tell, notify.notify)
    atexit.register(_end, settings, begun, os.getpid(), (run_report.write,), summary.say, last)
    signal.signal(signal.SIGTERM, _interrupt)
    sys.excepthook = _one_line
    return begun


def _end(
    settings: Settings, begun: Session, owner: int, before: Sequence[Told], say: Told, after: Sequence[Told]
) -> None:
    """Settle what is open and say what was done; a forked worker is not the one to do it."""
    if os.getpid() != owner:
        return
    try:
        begun.close()
        for run_key in begun.runs:
            _tell(settings, run_key, before)
            say(settings, run_key)
    except PipelineError as problem:
        print(problem, file=sys.stderr)
    else:
        for run_key in begun.runs:
            _tell(settings, run_key, after)


def _tell(settings: Settings, run_key: str, listeners: Sequence[Told]) -> None:
    """Pages, metrics and messages of a run; what does not arrive is a line on stderr, the run is what it is."""
    for tell in listeners:
        try:
            tell(settings, run_key)
        except PipelineError as problem:
            print(problem, file=sys.stderr)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _one_line(kind: type[BaseException], problem: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print("Stopped. Everything that was done is kept; the same command goes on from here.", file=sys.stderr)
    elif isinstance(problem, PipelineError):
        print(problem, file=sys.stderr)
    else:
        sys.__excepthook__(kind, problem, trace)


class WithoutTraceback(logging.Filter):
    """Luigi logs every failure with its traceback; of an error that explains itself the explanation is enough."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the record; of a PipelineError keep its words only, unless DEBUG is asked for."""
        if not log.isEnabledFor(logging.DEBUG) and (words := _explanation(record)):
            record.msg, record.args = f"{record.getMessage().splitlines()[0].rstrip(':')}: {words}", ()
            record.exc_info = record.exc_text = None
        return not record.getMessage().startswith(("Informed scheduler that task", "Pending tasks", "There are"))


def _explanation(record: logging.LogRecord) -> str | None:
    """The words of the PipelineError that the record has with it, or whose traceback Luigi wrote into the message."""
    problem = record.exc_info[1] if record.exc_info else None
    if isinstance(problem, PipelineError):
        return str(problem)
    written = OWN_ERROR.search(record.getMessage())
    return written[1].strip() if written else None


def choose_scheduler(argv: list[str]) -> None:
    """Schedule locally when nobody said where and no luigid answers at the configured address."""
    if any(argument.startswith(("--scheduler-", "--local-scheduler")) for argument in argv):
        return
    config = luigi.configuration.get_config()
    host = config.get("core", "scheduler_host", "127.0.0.1")
    port = config.getint("core", "scheduler_port", 8082)
    try:
        socket.create_connection((host, port), timeout=0.5).close()
    except OSError:
        config.set("core", "local_scheduler", "true")


log.addFilter(WithoutTraceback())
if Path(sys.argv[0]).name == "luigi":
    choose_scheduler(sys.argv)
