"""The one who writes the ledger for all hands of a process: whatever waits goes into one statement and one commit.

Nothing is put off: an entry that comes alone is written alone, and what arrives meanwhile is the next set. A hand goes
on only when its own entry is committed, as the exactly-once protocol needs it.
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
    """Use as a context manager: leaving waits for what is being written. Shared by any number of threads."""

    def __init__(self, settings: Settings, run_key: str) -> None:
        self._run_key, self._connection = run_key, upload_claims.connect(settings)
        self._intents, self._outcomes = _Desk(upload_ledger.intend), _Desk(upload_ledger.register)
        self._handing_in = threading.Lock()
        self._pen = ThreadPoolExecutor(1, thread_name_prefix="publish-clerk")

    def __enter__(self) -> Clerk:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pen.shutdown()
        self._connection.close()

    def intend(self, claim: Claim, sha256: str) -> None:
        """Return when the intent is committed. Raises ClaimLost, PictureError for bytes that were taken down."""
        self._hand_in(self._intents, claim, sha256)

    def register(self, claim: Claim, outcome: UploadOutcome) -> None:
        """Return when the outcome is committed. Raises ClaimLost: then nothing changed."""
        self._hand_in(self._outcomes, claim, outcome)

    def give_back(self, claim: Claim) -> None:
        """Return when a claim that is still ours is another's to take."""
        self._pen.submit(self._release, claim).result()

    def _hand_in(self, desk: _Desk[Word], claim: Claim, word: Word) -> None:
        with self._handing_in:
            if (together := desk.open) is None:
                together = desk.open = _Set()
                together.written = self._pen.submit(self._write, desk, together)
            together.entries.append((claim, word))
        if problem := together.written.result().get(claim.fence):
            raise problem

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
