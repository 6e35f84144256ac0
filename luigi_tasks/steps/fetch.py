"""Fetch: source → raw zone. Every response's exact bytes are kept before anything parses them."""

from __future__ import annotations

import dataclasses
import datetime
from dataclasses import dataclass
from types import TracebackType

import tenacity

from luigi_tasks.domain import envelope as envelopes
from luigi_tasks.domain.envelope import Envelope
from luigi_tasks.domain.errors import SourceError, SourceRefused, SourceThrottled, SourceUnreachable
from luigi_tasks.domain.faults import crash_point
from luigi_tasks.domain.identity import CODE_VERSION
from luigi_tasks.domain.progress import Progress
from luigi_tasks.domain.run import Run
from luigi_tasks.gateways import erasure_ledger, page_ledger, postgres
from luigi_tasks.gateways.objects import ObjectStore, Put
from luigi_tasks.gateways.request_budget import Rank, RequestBudget
from luigi_tasks.gateways.source_api import Response
from luigi_tasks.settings import Settings
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.sources.answers import LATER, Retry, judge, retry_after, seconds_to_pause
from luigi_tasks.sources.contract import Filed, Listing, Page, Request, Requested
from luigi_tasks.steps import shrinkage
from luigi_tasks.steps.access import access, open_api
from luigi_tasks.steps.counting import counted
from luigi_tasks.steps.privacy import at_rest

# So many details in a row without an answer: the source is down, not the wallpapers.
FAILURES_IN_A_ROW = 3


@dataclass(frozen=True)
class Fetched:
    """A page of the raw zone; page has no records for a status other than 200."""

    status: int
    page: Page
    fetched_at: datetime.datetime


class Fetcher:
    """Obtains the pages of one run: from the ledger, else from the raw zone, else from the source."""

    def __init__(self, settings: Settings, run: Run, store: ObjectStore, progress: Progress) -> None:
        self.settings, self.run, self.store, self.progress = settings, run, store, progress
        self.source = CATALOGUE[run.query.source]
        self.connection = postgres.connect(settings, "draenei-collector fetch")
        self.access = access(settings, run.query)
        self.budget = RequestBudget(self.connection, run.query.source, self.access.per_minute)
        self.api = open_api(settings, run.query)
        with self.connection, self.connection.cursor() as cursor:
            self.erased = erasure_ledger.erased(cursor, self.source.NAME)
        self.requests = 0
        self.used = 0

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.api.close()
        self.connection.close()

    def give_way(self, rank: Rank) -> None:
        """From now on requests are of that rank."""
        self.budget = dataclasses.replace(self.budget, rank=rank)

    @property
    def listing(self) -> Listing:
        """The source, which has to be one that is crawled."""
        assert isinstance(self.source, Listing), self.source.NAME
        return self.source

    def obtain(self, request: Request) -> Fetched:
        """The page for a request; asks the source only for what the run does not have yet.

        Raises SourceRefused, SourceThrottled, SourceUnreachable or SourceError; what was answered is kept even then.
        """
        packed = self._kept(request)
        if packed is None:
            packed = self._ask_until_answered(request)
        envelope, body = envelopes.unpack(packed)
        return Fetched(envelope.status, self.source.parse(request.entity, body), envelope.fetched_at)

    def _key(self, request: Request, suffix: str = "") -> str:
        return f"{self.run.raw_prefix}/{request.entity}/{request.page_name}{suffix}.gz"

    def _kept(self, request: Request) -> bytes | None:
        with self.connection, self.connection.cursor() as cursor:
            row = page_ledger.find_page(cursor, self.run.key, request.entity, request.page_name)
        if row:
            return self.store.get(row.object_key)
        if self.store.head(self._key(request)) is None:
            return None
        # A run that was killed between the object and its row: the object is whole, so it counts.
        packed = self.store.get(self._key(request))
        self._enter(envelopes.unpack(packed)[0], self._key(request))
        return packed

    def _enter(self, envelope: Envelope, key: str) -> None:
        with self.connection, self.connection.cursor() as cursor:
            crash_point("fetch.page.before")
            page_ledger.enter_page(cursor, envelope, key)
        crash_point("fetch.page.after")

    def _ask_until_answered(self, request: Request) -> bytes:
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Retry),
            stop=tenacity.stop_after_attempt(self.settings.http_max_attempts),
            wait=_wait,
            before_sleep=self._say_why,
        )
        try:
            return retrying(self._ask, request)
        except tenacity.RetryError as given_up:
            problem = given_up.last_attempt.exception()
            assert isinstance(problem, Retry)
            raise problem.cause from None

    def _ask(self, request: Request) -> bytes:
        self.used = self.budget.take(self.progress)
        self.requests += 1
        with counted(self.connection, self.run.key):
            return self._keep(request, self._get(request))

    def _get(self, request: Request) -> Response:
        try:
            crash_point("fetch.request.before")
            response = self.api.get(request.path, request.params)
            crash_point("fetch.request.after")
        except SourceUnreachable as problem:
            problem.mend = problem.mend or self._unreachable
            raise Retry(problem) from None
        return response

    @property
    def _unreachable(self) -> str:
        where = "FILE" if isinstance(self.source, Filed) else "API_URL"
        return f"Is {self.source.NAME.upper()}_{where} right, and the network up? Then run the same command."

    def _keep(self, request: Request, response: Response) -> bytes:
        """Keep what came, then judge it: an answer under the page's name, anything else beside it as evidence."""
        body, redacted = at_rest(self.settings, self.source, self.erased, response.body)
        envelope = self._envelope(request, response, body, redacted)
        packed = envelopes.pack(envelope, body)
        try:
            self._obey(response)
            judge(self.source, request.entity, response.status, response.headers, response.body, where=response.url)
            self._compare(request, response)
        except (Retry, SourceError):
            crash_point("fetch.evidence.before")
            self._put(self._key(request, f"{envelopes.EVIDENCE}{envelope.fetched_at:%H%M%S%f}"), packed)
            crash_point("fetch.evidence.after")
            raise
        crash_point("fetch.put.before")
        put = self._put(self._key(request), packed)
        if put.sha256 != envelopes.digest(packed):  # another process was first: its answer is the page
            packed = self.store.get(self._key(request))
            envelope = envelopes.unpack(packed)[0]
        crash_point("fetch.put.after")
        self._enter(envelope, self._key(request))
        return packed

    def _compare(self, request: Request, response: Response) -> None:
        if not shrinkage.watched(self.settings, self.source.NAME):
            return
        records = len(self.source.parse(request.entity, response.body).records)
        with self.connection, self.connection.cursor() as cursor:
            shrinkage.refuse_a_smaller(cursor, self.settings, self.run, request.entity, records, response.url)

    def _put(self, key: str, packed: bytes) -> Put:
        return self.store.put_if_absent(
            key, packed, content_type=envelopes.CONTENT_TYPE, sha256=envelopes.digest(packed), metadata={}
        )

    def _envelope(self, request: Request, response: Response, body: bytes, redacted: tuple[str, ...]) -> Envelope:
        return Envelope(
            run_key=self.run.key,
            source=self.source.NAME,
            entity=request.entity,
            page_name=request.page_name,
            request={"method": "GET", "path": request.path, "params": dict(request.params)},
            status=response.status,
            headers=envelopes.safe_headers(response.headers),
            fetched_at=response.fetched_at,
            sha256=envelopes.digest(body),
            body_bytes=len(body),
            redacted=redacted,
            code_version=CODE_VERSION,
            query={"text": self.run.query.text, "parameters": dict(self.run.query.parameters)},
            source_address=self.access.address,
            settings_sha256=self.settings.digest(),
        )

    def _obey(self, response: Response) -> None:
        """The source's own count stands above ours, and all processes hear of it."""
        told_to_wait = response.status == 429 or (response.status >= 500 and "retry-after" in response.headers)
        seconds = (
            retry_after(response.headers)
            if told_to_wait
            else seconds_to_pause(response.headers, response.fetched_at.timestamp(), self.used)
        )
        if told_to_wait and seconds > self.settings.http_max_wait_seconds:
            raise SourceThrottled(
                f"the source asks to wait {seconds:.0f} s, HTTP_MAX_WAIT_SECONDS allows less",
                where=response.url,
                mend=LATER,
            )
        if seconds:
            self.budget.block(seconds)

    def _say_why(self, state: tenacity.RetryCallState) -> None:
        problem = state.outcome.exception() if state.outcome else None
        if isinstance(problem, Retry):
            self.progress.update(0, 0, note=f"attempt {state.attempt_number}: {problem.cause.what}; trying again")


def _wait(state: tenacity.RetryCallState) -> float:
    problem = state.outcome.exception() if state.outcome else None
    if isinstance(problem, Retry) and problem.seconds is not None:
        return problem.seconds
    return tenacity.wait_exponential_jitter(multiplier=0.5, max=30)(state)


def fetch_requests(settings: Settings, run: Run, store: ObjectStore, progress: Progress) -> dict[str, object]:
    """Every request of a run whose source knows them beforehand. Returns pages, records and requests."""
    with Fetcher(settings, run, store, progress) as fetcher:
        assert isinstance(fetcher.source, Requested), fetcher.source.NAME
        wanted = fetcher.source.requests(run.query, run.run_id)
        records = 0
        for done, request in enumerate(wanted, start=1):
            records += len(fetcher.obtain(request).page.records)
            progress.update(done, len(wanted), note=f"{request.page_name}, {records} records")
        return {"pages": len(wanted), "records": records, "requests": fetcher.requests}


def fetch_details(settings: Settings, run: Run, store: ObjectStore, progress: Progress) -> dict[str, object]:
    """Details of wallpapers that lack them, then of those that may be gone, newest first, at most DETAILS_PER_RUN.

    Returns how many answered 200 (fetched), 404 (gone), 401 (withheld) or not at all (failed). One that does not
    answer is left to a later run; three in a row raise the last one's SourceError.
    """
    counts = {"fetched": 0, "gone": 0, "withheld": 0, "failed": 0}
    names = {200: "fetched", 404: "gone", 401: "withheld"}
    with Fetcher(settings, run, store, progress) as fetcher:
        with fetcher.connection, fetcher.connection.cursor() as cursor:
            wanted = page_ledger.details_wanted(cursor, settings.details_per_run)
        failures_in_a_row = 0
        for done, (record_id, reason) in enumerate(wanted):
            fetcher.give_way(Rank.DETAILS if reason == "details" else Rank.REFRESH)
            try:
                crash_point("details.obtain.before")
                counts[names[fetcher.obtain(fetcher.listing.detail_request(record_id)).status]] += 1
                crash_point("details.obtain.after")
                failures_in_a_row = 0
            except (SourceRefused, SourceThrottled):
                raise
            except SourceError as problem:
                counts["failed"] += 1
                failures_in_a_row += 1
                progress.update(done, len(wanted), note=f"{record_id}: {problem.what}")
                if failures_in_a_row >= FAILURES_IN_A_ROW:
                    raise
            progress.update(done + 1, len(wanted), note=f"{fetcher.used}/{fetcher.budget.per_minute} per minute")
        return {**counts, "wanted": len(wanted), "requests": fetcher.requests}
