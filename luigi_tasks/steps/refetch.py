"""A raw page whose object is lost, asked for again where its run asked: kept only as the very same bytes."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luigi_tasks.domain import envelope as envelopes
from luigi_tasks.domain.damage import RawPage
from luigi_tasks.domain.envelope import Envelope
from luigi_tasks.domain.errors import SourceError
from luigi_tasks.domain.run import Query
from luigi_tasks.gateways import archive_ledger, erasure_ledger, postgres, selects
from luigi_tasks.gateways.archive_file import Archive, CorruptEntry
from luigi_tasks.gateways.request_budget import Rank, RequestBudget
from luigi_tasks.settings import Settings
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.sources.answers import Retry, judge
from luigi_tasks.sources.contract import Archived, Source
from luigi_tasks.steps.access import access, open_api
from luigi_tasks.steps.privacy import at_rest

# When it was fetched, by which code and with which settings is what the ledger says of the first time.
LOST = """
select
    p.run_key, p.source, p.entity, p.page_name, p.request, p.status, p.fetched_at, p.body_sha256,
    r.query, r.parameters, r.source_address, r.code_version, r.settings_sha256
from ops.pages as p inner join ops.runs as r using (run_key)
where p.page_id = %s
"""


@dataclass(frozen=True)
class Answer:
    """packed: the page's object again, None when it cannot be had, and why. later: another time it may."""

    packed: bytes | None = None
    why: str = ""
    later: bool = False


class Refetcher:
    """Asks the sources that the runs asked; one that does not answer once is not asked again."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._silent: dict[str, Answer] = {}

    def ask(self, page: RawPage) -> Answer:
        """What the source of a page has by now. Writes nothing but the request budget."""
        with postgres.transaction(self._settings) as cursor:
            lost = selects.first(cursor, LOST, (page.page_id,))
            assert lost, "a finding's page stands in the ledger"
            erased = erasure_ledger.erased(cursor, lost["source"])
        name = lost["source"]
        if name in self._silent:
            return self._silent[name]
        query = Query(name, lost["query"], tuple(sorted(lost["parameters"].items())))
        try:
            if isinstance(CATALOGUE[name], Archived):
                return self._of_archive(lost)
            address = access(self._settings, query).address
            if address != lost["source_address"]:
                why = f"it came from {lost['source_address']}, which is not the source of these settings"
                return Answer(None, f"{why} ({address})", later=True)
            return self._of_source(lost, query, erased)
        except (SourceError, Retry) as problem:
            cause = problem.cause if isinstance(problem, Retry) else problem
            self._silent[name] = Answer(None, f"the source does not answer: {cause.what}", later=True)
            return self._silent[name]

    def _of_source(self, lost: dict[str, Any], query: Query, erased: frozenset[str]) -> Answer:
        own, source, request = self._settings, CATALOGUE[query.source], lost["request"]
        with (
            contextlib.closing(postgres.connect(own, "draenei-collector fsck")) as connection,
            contextlib.closing(open_api(own, query)) as api,
        ):
            RequestBudget(connection, source.NAME, access(own, query).per_minute, rank=Rank.REFRESH).take()
            answer = api.get(request["path"], tuple(request.get("params", {}).items()))
        judge(source, lost["entity"], answer.status, answer.headers, answer.body, where=answer.url)
        for body, redacted in _as_kept(own, source, erased, answer.body):
            if answer.status == lost["status"] and envelopes.digest(body) == lost["body_sha256"]:
                return _packed(lost, body, envelopes.safe_headers(answer.headers), redacted)
        return Answer(None, "the source answers with other bytes by now")

    def _of_archive(self, lost: dict[str, Any]) -> Answer:
        """A table of the run's archive, if that is still where the run found it."""
        with postgres.transaction(self._settings) as cursor:
            opened = archive_ledger.archive_of(cursor, lost["run_key"])
        path = Path(opened.path) if opened else Path("archive")
        if not path.exists():
            return Answer(None, f"the archive of its run is not at hand: put it back as {path}", later=True)
        try:
            with Archive(path, self._settings.kaggle_max_entries, self._settings.kaggle_max_bytes) as archive:
                name = lost["request"]["path"]
                body = archive.read(archive.entry(name)) if name in archive.names else b""
        except CorruptEntry as problem:
            return Answer(None, f"the archive {path} is damaged: {problem}", later=True)
        if envelopes.digest(body) != lost["body_sha256"]:
            return Answer(None, f"another archive is there now: put that of its run back as {path}", later=True)
        return _packed(lost, body, {"content-type": "text/csv"}, ())


def _as_kept(
    settings: Settings, source: Source, erased: frozenset[str], body: bytes
) -> list[tuple[bytes, tuple[str, ...]]]:
    """How the settings of now would keep a body, then redacted: the page may be older than REDACT_AT_REST=false."""
    strict = settings.model_copy(update={"redact_at_rest": True})
    return [at_rest(settings, source, erased, body), at_rest(strict, source, erased, body)]


def _packed(lost: dict[str, Any], body: bytes, headers: dict[str, str], redacted: tuple[str, ...]) -> Answer:
    kept = ("run_key", "source", "entity", "page_name", "request", "status", "fetched_at")
    envelope = Envelope(
        **{name: lost[name] for name in kept},
        headers=headers,
        sha256=lost["body_sha256"],
        body_bytes=len(body),
        redacted=redacted,
        code_version=lost["code_version"],
        query={"text": lost["query"], "parameters": lost["parameters"]},
        source_address=lost["source_address"],
        settings_sha256=lost["settings_sha256"],
    )
    return Answer(envelopes.pack(envelope, body))
