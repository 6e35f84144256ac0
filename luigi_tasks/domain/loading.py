"""What Load makes of a page: good records, bad records, and counts that add up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class GoodRecord(NamedTuple):
    """A record that the warehouse takes: payload is its JSON text in UTF-8."""

    position: int
    record_id: str
    payload: bytes


@dataclass(frozen=True)
class BadRecord:
    """A record for quarantine: its JSON text with everything outside ASCII escaped, and each thing wrong with it.

    violations: {'path': a JSON pointer into the record, '' for the record itself, 'message': words}.
    """

    position: int
    record_id: str | None
    violations: tuple[dict[str, str], ...]
    record: str


@dataclass(frozen=True)
class LoadedPage:
    """received = loaded + duplicate + quarantined."""

    received: int
    loaded: int
    duplicate: int
    quarantined: int
    unexpected_fields: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        assert self.received == self.loaded + self.duplicate + self.quarantined, self
