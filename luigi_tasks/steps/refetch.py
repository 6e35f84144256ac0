"""A raw page whose object is lost, asked for again: kept only when the source answers with the very same bytes."""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING

from luigi_tasks.domain.damage import RawPage
from luigi_tasks.domain.envelope import Envelope, pack, safe_headers
from luigi_tasks.domain.errors import SourceError
from luigi_tasks.gateways import postgres
from luigi_tasks.gateways.objects import ObjectStore
from luigi_tasks.gateways.request_budget import Rank, RequestBudget
from luigi_tasks.gateways.source_api import SourceApi
from luigi_tasks.settings import Settings

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

# When it was fetched, by which code and with which settings is what the ledger says of the first time.
LOST = """
select
    p.run_key, p.source, p.entity, p.page_name, p.request, p.status, p.fetched_at, p.body_sha256,
    r.query, r.parameters, r.source_address, r.code_version, r.settings_sha256
from ops.pages as p inner join ops.runs as r using (run_key)
where p.page_id = %s
"""


class Refetcher:
    """Asks the source that the run asked; a source that does not answer once is not asked again."""

    def __init__(self, settings: Settings, store: ObjectStore) -> None:
        self._settings, self._store = settings, store
        self._silent = ""

    def refetch(self, page: RawPage) -> tuple[bool, str]:
        """(True, '') when the page's object stands again, else (False, why not). Raises StoreError."""
        with postgres.transaction(self._settings) as cursor:
            lost = _lost(cursor, page.page_id)
        address = str(lost["source_address"])
        if self._silent:
            return False, self._silent
        if address != self._settings.wallhaven_api_url:
            return False, f"it came from {address}, which is not the source of these settings"
        try:
            return self._ask(page, lost)
        except SourceError as problem:
            self._silent = f"the source does not answer: {problem.what}"
            return False, self._silent

    def _ask(self, page: RawPage, lost: dict[str, object]) -> tuple[bool, str]:
        own, key = self._settings, self._settings.wallhaven_api_key
        headers = {"X-API-Key": key.get_secret_value()} if key else {}
        request = lost["request"]
        assert isinstance(request, dict)
        with (
            contextlib.closing(postgres.connect(own, "draenei-collector fsck")) as connection,
            contextlib.closing(
                SourceApi(own.wallhaven_api_url, headers, own.http_timeout_seconds, own.source_page_max_bytes)
            ) as api,
        ):
            RequestBudget(connection, str(lost["source"]), own.wallhaven_rate_per_minute, rank=Rank.REFRESH).take()
            answer = api.get(request["path"], tuple(request.get("params", {}).items()))
        if answer.status != lost["status"] or hashlib.sha256(answer.body).hexdigest() != page.body_sha256:
            return False, "the source answers with other bytes by now"
        kept = {name: lost[name] for name in ("run_key", "source", "entity", "page_name", "request", "status")}
        envelope = Envelope(
            **kept,  # type: ignore[arg-type]  # columns of one row, each of its field's type
            headers=safe_headers(answer.headers),
            fetched_at=lost["fetched_at"],  # type: ignore[arg-type]
            sha256=page.body_sha256,
            body_bytes=len(answer.body),
            code_version=str(lost["code_version"]),
            query={"text": lost["query"], "parameters": lost["parameters"]},
            source_address=str(lost["source_address"]),
            settings_sha256=str(lost["settings_sha256"]),
        )
        packed = pack(envelope, answer.body)
        digest = hashlib.sha256(packed).hexdigest()
        put = self._store.put_if_absent(
            page.object_key, packed, content_type="application/gzip", sha256=digest, metadata={}
        )
        return put.sha256 == digest, "" if put.sha256 == digest else "something stands under its key again"


def _lost(cursor: Cursor, page_id: int) -> dict[str, object]:
    cursor.execute(LOST, (page_id,))
    row, columns = cursor.fetchone(), cursor.description
    assert row, "a finding's page stands in the ledger"
    assert columns
    return dict(zip([column.name for column in columns], row, strict=True))
