"""The crawl of a query: obtains the pages that the walk asks for, and keeps the certificate of what they prove."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field, replace

from luigi_tasks.domain import search
from luigi_tasks.domain.coverage import Position
from luigi_tasks.domain.errors import SourceError
from luigi_tasks.domain.faults import crash_point
from luigi_tasks.domain.progress import Progress
from luigi_tasks.domain.run import Run
from luigi_tasks.domain.walk import Read, Seen, Walk
from luigi_tasks.gateways import coverage_ledger, listing_ledger, page_ledger
from luigi_tasks.gateways.objects import ObjectStore
from luigi_tasks.settings import Settings
from luigi_tasks.sources.answers import LATER
from luigi_tasks.sources.contract import Page, Request
from luigi_tasks.steps import sweep
from luigi_tasks.steps.fetch import Fetched, Fetcher
from luigi_tasks.steps.rounds import Rounds, Watch, unwatched


def crawl(
    settings: Settings, run: Run, store: ObjectStore, progress: Progress, watch: Watch = unwatched
) -> dict[str, object]:
    """Every page of the run's query, until the first page wholly inside what is certified plus one, or the end.

    Then a slice of the rotating sweep. Returns pages, records, requests, claimed_total, and why it stopped ('end' or
    'known'); rereads, gaps, pages searched and swept, records that vanished, rounds that went on beside a long crawl,
    when there are any; watch: who sees dbt build in them. The certificate stands in ops.certificates when this returns.
    """
    with Fetcher(settings, run, store, progress) as fetcher:
        walk = _prepared(fetcher)
        route = Route(fetcher)
        records = reads = 0
        seen: dict[str, Position] = {}
        with Rounds(settings, run, watch) as rounds:
            while walk.next is not None:
                rounds.note(reads)
                fetched = route.read(walk.next, walk.times_read(walk.next))
                reads += 1
                records += len(fetched.page.records)
                progress.update(
                    walk.next,
                    fetched.page.last_number,
                    note=f"{records} records, {fetcher.used}/{fetcher.budget.per_minute} per minute",
                )
                read = _as_read(fetcher, walk.next, fetched)
                seen |= {position.record_id: position for position in read.positions}
                walk.take(read)
        certificate = walk.certificate()
        swept = sweep.sweep(fetcher, lambda page, times: _read(fetcher, route, page, times), walk, certificate)
        seen |= swept.seen
        with fetcher.connection, fetcher.connection.cursor() as cursor:
            crash_point("crawl.certificate.before")
            coverage_ledger.enter_certificate(cursor, run.key, run.query.key, certificate, route.moments)
            crash_point("sweep.enter.before")
            listing_ledger.enter_slice(cursor, run.key, run.query.key, swept.slice)
            crash_point("sweep.enter.after")
            within = [*walk.spans(), *swept.spans]
            left = listing_ledger.enter_changes(cursor, run.key, run.query.key, seen, within)
        crash_point("crawl.certificate.after")
        found = {"rereads": certificate.rereads, "gaps": len(certificate.gaps), "searched": certificate.searched}
        found |= {"swept": swept.reads, "vanished": left}
        return {
            "pages": reads,
            "records": records,
            "requests": fetcher.requests,
            "claimed_total": certificate.total_last,
            "stopped_at": certificate.stopped_at,
            **({"rounds": rounds.begun} if rounds.begun else {}),
            **({"round_problem": rounds.problem} if rounds.problem else {}),
            **({"sweep_problem": swept.problem} if swept.problem else {}),
            **{name: number for name, number in found.items() if number},
        }


@dataclass
class Route:
    """The requests of a walk by the page's number in it; a page that is read again has a name of its own."""

    fetcher: Fetcher
    requests: dict[int, Request] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    fetched_at: list[datetime.datetime] = field(default_factory=list)

    def __post_init__(self) -> None:
        first = self.fetcher.listing.first_request(self.fetcher.run.query)
        self.requests[1], self.numbers[first.page_name] = first, 1

    def read(self, number: int, times_read: int) -> Fetched:
        """The page, which was read so many times before. Raises SourceError past WALLHAVEN_MAX_PAGES."""
        most = self.fetcher.settings.wallhaven_max_pages
        if number > most:
            raise SourceError(
                f"the query has more than {most} pages",
                where=self.fetcher.run.query.key,
                mend="Narrow it, or raise WALLHAVEN_MAX_PAGES.",
            )
        request = self.requests.get(number) or self._request_of(number)
        named = replace(request, page_name=f"{request.page_name}-r{times_read}") if times_read else request
        fetched = self.fetcher.obtain(named)
        self.fetched_at.append(fetched.fetched_at)
        self._note_following(number, fetched.page)
        return fetched

    def _request_of(self, number: int) -> Request:
        """The request of a page that no page before it led to; only an ordered listing is read so."""
        before = Page((), number - 1, number)
        following = self.fetcher.listing.following_request(self.fetcher.run.query, before)
        assert following is not None, "a page that is not the last has one that follows"
        return following

    @property
    def moments(self) -> tuple[datetime.datetime, datetime.datetime]:
        """When the first and the last page were fetched."""
        return self.fetched_at[0], max(self.fetched_at)

    def _note_following(self, number: int, page: Page) -> None:
        following = self.fetcher.listing.following_request(self.fetcher.run.query, page)
        if following is None:
            return
        if self.numbers.setdefault(following.page_name, number + 1) <= number:
            raise SourceError(
                f"the source's page numbers lead back to {following.page_name}",
                where=self.fetcher.run.query.key,
                mend=LATER,
            )
        self.requests[number + 1] = following


def _prepared(fetcher: Fetcher) -> Walk:
    query = fetcher.run.query
    if not fetcher.listing.newest_first(query):
        return Walk((), None, ordered=False)
    with fetcher.connection, fetcher.connection.cursor() as cursor:
        closed = coverage_ledger.closed_intervals(cursor, query.key, fetcher.run.key)
        total = coverage_ledger.accounted_total(cursor, query.key, fetcher.run.key)

    def begin(base: Read) -> search.Search | None:
        expected = listing_ledger.Expected(fetcher.connection, query.key, fetcher.run.key)
        return search.begin(expected, base, total, fetcher.settings.wallhaven_search_pages)

    return Walk(closed, total, search=begin)


def _read(fetcher: Fetcher, route: Route, number: int, times_read: int) -> Read:
    return _as_read(fetcher, number, route.read(number, times_read))


def _as_read(fetcher: Fetcher, number: int, fetched: Fetched) -> Read:
    source, page = fetcher.listing, fetched.page
    keyed = [(source.record_id(record), source.position(record)) for record in page.records]
    known = _known(fetcher, {record_id for record_id, _ in keyed if record_id})
    records = tuple(Seen(record_id, position, record_id in known) for record_id, position in keyed)
    return Read(number, page.is_last, page.total, fetched.fetched_at, records)


def _known(fetcher: Fetcher, ids: set[str]) -> set[str]:
    entity = fetcher.listing.LISTED
    table = fetcher.listing.ENTITIES[entity].table
    with fetcher.connection, fetcher.connection.cursor() as cursor:
        return page_ledger.known_ids(cursor, table, entity, fetcher.run.query.key, sorted(ids))
