"""What every task of the graph shares: its run, its ledger target, its progress, and what a failure leaves behind."""

from __future__ import annotations

import datetime
import functools
import logging
import threading
import time
import types
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import luigi
from luigi.rpc import RPCError
from luigi.task_register import Register

from luigi_tasks.domain.errors import PipelineError, SettingsError
from luigi_tasks.domain.faults import crash_point
from luigi_tasks.domain.progress import Progress, describe
from luigi_tasks.domain.run import RUN_ID_FORMAT, Run
from luigi_tasks.gateways import postgres, run_ledger
from luigi_tasks.gateways.terminal import progress_for
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.sources.contract import Archived, Listing
from luigi_tasks.steps import access, reports
from luigi_tasks.targets import LedgerTarget, own_settings

if TYPE_CHECKING:
    from luigi_tasks.settings import Settings

SCHEDULER_SECONDS = 1.0
log = logging.getLogger("luigi-interface")


class MinuteParameter(luigi.DateMinuteParameter):
    """A minute in UTC: 2026-11-21T07:00."""

    date_format = RUN_ID_FORMAT

    def parse(self, text: str) -> datetime.datetime:
        """The minute. Raises SettingsError, so that a slip of the finger is answered in a line."""
        try:
            return cast("datetime.datetime", super().parse(text))
        except ValueError:
            raise SettingsError(
                f"run id {text!r} is not a minute", mend="Write it in UTC, such as 2026-11-21T07:00."
            ) from None


def this_minute() -> datetime.datetime:
    """Now, in UTC without a zone, cut to the minute."""
    return datetime.datetime.now(datetime.UTC).replace(second=0, microsecond=0, tzinfo=None)


class RunTask(luigi.Task):
    """A task that belongs to one run; its parameters identify the run."""

    source = luigi.ChoiceParameter(default="wallhaven", choices=sorted(CATALOGUE), description="what to collect from")
    query = luigi.Parameter(default="", description="what to ask; default: the setting WALLHAVEN_QUERY …")
    dataset = luigi.Parameter(default="", description="of Kaggle: owner/name; the same as --query")
    archive = luigi.Parameter(default="", description="a zip to take instead of the download", significant=False)
    run_id = MinuteParameter(default=this_minute(), description="logical time in UTC, such as 2026-11-21T07:00")
    unit = "pages"

    @property
    def collected_run(self) -> Run:
        """The run that the parameters and the settings name. Raises SettingsError for a bad filter."""
        return Run.at(access.query(own_settings(), self.source, self.asked), self.run_id)

    @property
    def asked(self) -> str:
        """What the source is asked; '' for what the settings say."""
        return self.dataset or self.query

    @property
    def has_pictures(self) -> bool:
        """True for a source that is crawled and has pictures; it decides which steps a run has."""
        return isinstance(CATALOGUE[self.source], Listing)

    @property
    def is_archive(self) -> bool:
        """True for a source that comes as one zip of tables and pictures."""
        return isinstance(CATALOGUE[self.source], Archived)

    def output(self) -> LedgerTarget:
        """The row of ops.steps that says the task is complete."""
        return LedgerTarget(self.collected_run.key, self.step)

    @property
    def step(self) -> str:
        """The task's name without its namespace."""
        return cast("str", self.get_task_family()).rpartition(".")[2]

    def clone(self, cls: type[RunTask] | None = None, **parameters: object) -> RunTask:
        """Another task of the same run, in the same namespace."""
        namespace = self.get_task_namespace()
        if cls is not None and namespace:
            cls = Register.get_task_cls(f"{namespace}.{cls.__name__}")
        return cast("RunTask", super().clone(cls, **parameters))

    def run(self) -> None:
        """Do the work, then enter the step as complete."""
        started_at = datetime.datetime.now(datetime.UTC)
        with TaskProgress(self) as progress:
            result = self.work(own_settings(), self.collected_run, progress)
        self.output().write(started_at, result)

    def work(self, own: Settings, run: Run, progress: Progress) -> dict[str, object]:
        """What the task does; the numbers it returns are kept with the step."""
        raise NotImplementedError

    def on_failure(self, exception: BaseException) -> str:
        """Keep the first error with the run; what is returned stands in the scheduler's page."""
        message = str(exception) if isinstance(exception, PipelineError) else f"{type(exception).__name__}: {exception}"
        with postgres.transaction(own_settings()) as cursor:
            crash_point("run.error.before")
            run_ledger.note_error(cursor, self.collected_run.key, f"{self.step}: {message}")
        crash_point("run.error.after")
        return message


def in_namespaces(tasks: Sequence[type[RunTask]]) -> None:
    """A namespace a source: `luigi --module luigi_tasks SOURCE.Collect`, for every task of the graph.

    Luigi registers a class when it is made, so making them is all: RangeByMinutes finds them by name, and the
    scheduler's page groups them.
    """
    for source in CATALOGUE:
        only = luigi.ChoiceParameter(default=source, choices=[source], description="the namespace's own")
        for task in tasks:
            facts = {"task_namespace": source, "source": only, "__doc__": task.__doc__, "__module__": task.__module__}
            types.new_class(task.__name__, (task,), exec_body=functools.partial(_fill, facts))


def _fill(facts: dict[str, Any], body: dict[str, Any]) -> None:
    body.update(facts)


def _unheard(_: object) -> None:
    """What a step tells that no worker runs: Luigi gives a task its callbacks only there."""


class TaskProgress:
    """A step's progress on the terminal and, at most a second late, in the central scheduler's page.

    A thread of its own tells the scheduler, so that a slow one holds nobody up and the last word is never left out.
    """

    def __init__(self, task: RunTask) -> None:
        self._unit = task.unit
        self._message: Callable[[str], None] = task.set_status_message or _unheard
        self._linked: Callable[[str], None] = task.set_tracking_url or _unheard
        self._page = reports.url(own_settings(), task.collected_run.key)
        self._percentage: Callable[[int], None] = task.set_progress_percentage or _unheard
        self._terminal = progress_for(own_settings().draenei_progress, task.get_task_family(), task.unit)
        self._started = time.monotonic()
        self._latest: tuple[int, int, int, str] | None = None
        self._ended = threading.Event()
        self._teller = threading.Thread(target=self._tell_on, name="progress", daemon=True)

    def __enter__(self) -> TaskProgress:
        self._link()  # not in the thread: it says RUNNING too, and must not come after the end
        self._teller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._teller.join(SCHEDULER_SECONDS)
        self._terminal.close()

    def update(self, done: int, total: int, *, bytes_done: int = 0, note: str = "") -> None:
        """Tell the terminal at once, the scheduler within the second."""
        self._terminal.update(done, total, bytes_done=bytes_done, note=note)
        self._latest = (done, total, bytes_done, note)

    def _tell_on(self) -> None:
        told = None
        while True:
            ended = self._ended.wait(SCHEDULER_SECONDS)
            if (latest := self._latest) not in {told, None}:
                self._tell(*cast("tuple[int, int, int, str]", latest))
                told = latest
            if ended:
                return

    def _link(self) -> None:
        """The run's report as the task's tracking URL; it is written when the run ends, whatever becomes of it."""
        try:
            self._linked(self._page)
        except RPCError as problem:
            log.debug("the scheduler does not listen: %s", problem)

    def _tell(self, done: int, total: int, bytes_done: int, note: str) -> None:
        try:
            self._message(describe(self._unit, done, total, bytes_done, note, time.monotonic() - self._started))
            if total:
                self._percentage(min(100, done * 100 // total))
        except RPCError as problem:
            log.debug("the scheduler does not listen: %s", problem)
