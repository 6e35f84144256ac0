"""Run and query: who asks what, when; every key that identifies them."""

from __future__ import annotations

import datetime
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

RUN_ID_FORMAT = "%Y-%m-%dT%H:%M"


@dataclass(frozen=True)
class Query:
    """What is asked of a source: the text a user typed and every parameter that is sent, page number apart."""

    source: str
    text: str
    parameters: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, source: str, text: str, parameters: Mapping[str, str]) -> Query:
        """A query with its parameters in one fixed order."""
        return cls(source, text, tuple(sorted(parameters.items())))

    @property
    def key(self) -> str:
        """'wallhaven/draenei-1a2b3c4d': readable, and different when any parameter is."""
        words = re.sub(r"[^a-z0-9]+", "-", self.text.lower()).strip("-")[:40] or "all"
        digest = hashlib.sha256(json.dumps([self.text, self.parameters]).encode()).hexdigest()
        return f"{self.source}/{words}-{digest[:8]}"


@dataclass(frozen=True)
class Run:
    """One logical time (UTC, to the minute) of one query."""

    query: Query
    run_id: str

    @classmethod
    def at(cls, query: Query, minute: datetime.datetime) -> Run:
        """The run of a query at a minute, given in UTC without a zone."""
        return cls(query, minute.strftime(RUN_ID_FORMAT))

    @property
    def key(self) -> str:
        """'wallhaven/draenei-1a2b3c4d/2026-11-21T07:00', the primary key of ops.runs."""
        return f"{self.query.key}/{self.run_id}"

    @property
    def raw_prefix(self) -> str:
        """Where this run's responses stand in the raw zone; no colon, which some file systems refuse."""
        compact = self.run_id.replace("-", "").replace(":", "") + "Z"
        return f"raw/{self.query.key}/{compact}"
