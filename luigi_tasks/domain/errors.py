"""The exception tree. Every error a user can meet says what happened, where, and what to type next.

PipelineError
├── SettingsError          a setting is missing or has a value that cannot be right
├── WarehouseError         Postgres cannot be reached, or refuses
├── SourceError            the source answered something that is no answer
│   ├── SourceUnreachable  no answer at all: refused, timed out, reset
│   ├── SourceFailed       5xx or 408: the source itself is ill
│   ├── SourceRefused      401 or 403: the source will not serve us
│   └── SourceThrottled    429 until the patience set was used up
├── StoreError             the object store cannot be reached, or refuses
├── QuarantineOverflow     more records of a run are bad than the error budget allows
├── ModelError             dbt failed; names the node that did
├── NotificationError      a digest or a ping did not arrive
└── AlreadyRunning         another Collect of this source holds the lock
"""

from __future__ import annotations


class PipelineError(Exception):
    """what happened; where: the address, file, row or task; mend: the command or setting that helps."""

    def __init__(self, what: str, *, where: str = "", mend: str = "") -> None:
        self.what, self.where, self.mend = what, where, mend
        super().__init__(what)

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        return f"{self.what}{place}." + (f" {self.mend}" if self.mend else "")

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.what, self.where, self.mend))


def _rebuild(kind: type[PipelineError], what: str, where: str, mend: str) -> PipelineError:
    return kind(what, where=where, mend=mend)


class SettingsError(PipelineError):
    """A setting is missing or cannot be right."""


class WarehouseError(PipelineError):
    """Postgres cannot be reached, or refuses."""


class SourceError(PipelineError):
    """The source answered something that is no answer: a broken body, HTML where JSON was due.

    outcome: what the request counts as.
    """

    outcome = "unusable"


class SourceUnreachable(SourceError):
    """No answer from the source: refused, timed out, reset, cut short."""

    outcome = "unreachable"


class SourceFailed(SourceError):
    """5xx or 408: the source itself is ill."""

    outcome = "failed"


class SourceRefused(SourceError):
    """401 or 403: the source will not serve us."""

    outcome = "refused"


class SourceThrottled(SourceError):
    """429 until the patience that is set was used up."""

    outcome = "throttled"


class StoreError(PipelineError):
    """The object store cannot be reached, or refuses."""


class QuarantineOverflow(PipelineError):
    """More records of a run are in quarantine than QUARANTINE_MAX_SHARE allows."""


class ModelError(PipelineError):
    """dbt failed; the message names the node that did."""


class NotificationError(PipelineError):
    """A digest or a ping did not arrive."""


class AlreadyRunning(PipelineError):
    """Another Collect of this source holds the pipeline lock."""
