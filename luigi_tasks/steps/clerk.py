"""The one who writes the ledger for all hands of a process: whatever waits goes into one statement and one commit.

Nothing is put off: an entry that comes alone is written alone, and what arrives meanwhile is the next set. A hand goes
on only when its own intent is committed, as the exactly-once protocol needs it. An outcome is handed over: a process
that is killed before it is committed leaves what one leaves that is killed right after the put.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Generic, TypeVar

from luigi_tasks.domain.faults import crash_point
from luigi_tasks.domain.publishing import Claim, UploadOutcome
from luigi_tasks.gateways import upload_claims, upload_ledger
from luigi_tasks.settings import Settings

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

Word = TypeVar("Word")
Told = Callable[[UploadOutcome | None], None]
Write = Callable[["Cursor", str, Sequence[tuple[Claim, Word]]], dict[int, Exception]]


@dataclass
class _Set(Generic[Word]):
    """Entries that will be written together; what failed of them, by fence, is `written`'s result."""

    entries: list[tuple[Claim, Word]] = field(default_factory=list)
    written: Future[dict[int, Exception]] = field(default_factory=Future)


class _Desk(Generic[Word]):
    """The set that is still open, for one kind of entry."""

    def __init__(self, write: Write[Word]) -> None:
        self.write = write
        self.open: _Set[Word] | None = None


class Clerk:
    """Use as a context manager: leaving waits for all that was handed over, and raises what went wrong with it.

    Shared by any number of threads. told: called by the clerk's own thread for each outcome that was handed over, once
    it is committed; with None for one whose claim was lost: then nothing changed, and the claim was given back.
    on_problem: called when outcomes cannot be written, or `told` raises. waiting: outcomes on their way, at most.
    """

    def __init__(
        self, settings: Settings, run_key: str, told: Told, on_problem: Callable[[], None], waiting: int
    ) -> None:
        self._run_key, self._connection = run_key, upload_claims.connect(settings)
        self._told, self._on_problem = told, on_problem
        self._problem: BaseException | None = None
        self._intents, self._outcomes = _Desk(upload_ledger.intend), _Desk(upload_ledger.register)
        self._handing_in, self._room = threading.Lock(), threading.Semaphore(waiting)
        self._pen = ThreadPoolExecutor(1, thread_name_prefix="publish-clerk")

    def __enter__(self) -> Clerk:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pen.shutdown()
        self._connection.close()
        if self._problem and not problem:
            raise self._problem

    def intend(self, claim: Claim, sha256: str) -> None:
        """Return when the intent is committed. Raises ClaimLost, PictureError for bytes that were taken down."""
        with self._handing_in:
            together = self._enter(self._intents, claim, sha256)
        if problem := together.written.result().get(claim.fence):
            raise problem

    def register(self, claim: Claim, outcome: UploadOutcome) -> None:
        """Hand an outcome over; waits only while too many are."""
        self._room.acquire()
        with self._handing_in:
            together = self._enter(self._outcomes, claim, outcome)
            if len(together.entries) == 1:
                self._pen.submit(self._tell, together).add_done_callback(self._look)

    def give_back(self, claim: Claim) -> None:
        """Return when a claim that is still ours is another's to take."""
        self._pen.submit(self._release, claim).result()

    def _enter(self, desk: _Desk[Word], claim: Claim, word: Word) -> _Set[Word]:
        if (together := desk.open) is None:
            together = desk.open = _Set()
            together.written = self._pen.submit(self._write, desk, together)
        together.entries.append((claim, word))
        return together

    def _tell(self, together: _Set[UploadOutcome]) -> None:
        self._room.release(len(together.entries))
        failed = together.written.result()
        crash_point("publish.register.after")
        for claim, outcome in together.entries:
            if claim.fence in failed:
                self._release(claim)
            self._told(None if claim.fence in failed else outcome)

    def _look(self, done: Future[None]) -> None:
        if problem := done.exception():
            self._problem = self._problem or problem
            self._on_problem()

    def _write(self, desk: _Desk[Word], together: _Set[Word]) -> dict[int, Exception]:
        with self._handing_in:
            desk.open = None
        with self._connection, self._connection.cursor() as cursor:
            return desk.write(cursor, self._run_key, together.entries)

    def _release(self, claim: Claim) -> None:
        with self._connection, self._connection.cursor() as cursor:
            crash_point("publish.giveback.before")
            upload_claims.release(cursor, claim)
        crash_point("publish.giveback.after")
