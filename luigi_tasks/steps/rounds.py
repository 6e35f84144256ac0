"""Rounds: what a long crawl has brought so far is loaded, modelled, frozen, published and derived while it goes on.

A round begins when CHUNK_PAGES pages came in since the last one began, another page follows, and the last round is
over; so a run of at most that many pages has none. It calls the same steps as Load, Model, Freeze, Publish and Derive
do, one after the other in one thread, and enters nothing in ops.steps: those tasks come afterwards, as ever, and find
less to do. A process that is killed in a round is a process that was killed in one of those steps.

Deriving gives way: it ends when the next round is due, so that no picture is stored later for what is known of others.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from types import TracebackType

from luigi_tasks.domain.dbt_graph import Watcher
from luigi_tasks.domain.errors import PipelineError
from luigi_tasks.domain.progress import Silent
from luigi_tasks.domain.run import Run
from luigi_tasks.settings import Settings
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.sources.contract import collected_entities
from luigi_tasks.steps import derive, load, model, publish, session

STEP = "Early"  # in ops.dbt_nodes
Watch = Callable[[str], Sequence[Watcher]]  # of a step: who is told of the nodes of its next build


def unwatched(step: str) -> Sequence[Watcher]:
    """Nobody."""
    return ()


class Rounds:
    """The rounds beside one crawl. Use as a context manager around it.

    Leaving it ends the round at hand: after a whole crawl what is being loaded and modelled is finished, and of the
    pictures those in flight; after an exception dbt is ended at once.
    """

    def __init__(self, settings: Settings, run: Run, watch: Watch = unwatched) -> None:
        self._settings, self._run, self._watch = settings, run, watch
        # A run of so many pictures at most has them soon, and which ones these are is for the whole listing to say.
        self._chunk = 0 if settings.upload_batch_limit is not None else settings.chunk_pages
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="rounds")
        self._round: Future[None] | None = None
        self._begun_at, self.begun = 0, 0
        self._due, self._asked_to_end, self._breaking_off = threading.Event(), threading.Event(), threading.Event()
        self.problem = ""

    def __enter__(self) -> Rounds:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._asked_to_end.set()
        self._due.set()
        if kind is not None:
            self._breaking_off.set()
        self._pool.shutdown()
        if kind is None:
            self._settle()

    def note(self, pages: int) -> None:
        """So many pages are in the raw zone and another one follows: begin a round if it is time.

        Raises what the last round raised, unless that was a PipelineError: the step that it is about will meet it
        again, with its own words and exit code, so there are no more rounds and `problem` tells of it.
        """
        if not self._chunk or pages - self._begun_at < self._chunk:
            return
        self._due.set()
        if not self._settle() or self.problem:
            return
        self._due.clear()
        self._begun_at = pages
        self.begun += 1
        self._round = self._pool.submit(self._go_round)

    def _settle(self) -> bool:
        """False while a round goes on."""
        if self._round is None:
            return True
        if not self._round.done():
            return False
        ended, self._round = self._round, None
        try:
            ended.result()
        except PipelineError as problem:
            self.problem = str(problem)
        return True

    def _go_round(self) -> None:
        source, key = self._run.query.source, self._run.key
        until = _Until(self._breaking_off)
        store = session.checked_store(self._settings)
        load.load_entities(self._settings, key, source, collected_entities(CATALOGUE[source]), store, until)
        if self._asked_to_end.is_set():
            return
        model.build_what_is_new(self._settings, key, STEP, until, source, self._watch(STEP))
        if not self._asked_to_end.is_set():
            publish.grow(self._settings, key)
            publish.publish(self._settings, key, store, Silent(), enough=self._asked_to_end)
            derive.derive(self._settings, key, source, store, Silent(), enough=self._due)


class _Until(Silent):
    """A Progress that breaks a step off where it would tell of itself, between two batches or events of dbt."""

    def __init__(self, breaking_off: threading.Event) -> None:
        self._breaking_off = breaking_off

    def update(self, done: int, total: int, *, bytes_done: int = 0, note: str = "") -> None:
        """Raise CancelledError when the crawl has failed or was stopped."""
        if self._breaking_off.is_set():
            raise CancelledError
