"""A slice of the rotating sweep, after a crawl and behind it: what no total tells is found in the end by reading."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from luigi_tasks.domain.coverage import Certificate, Position, Span
from luigi_tasks.domain.errors import SourceError
from luigi_tasks.domain.sweep import Standing, Sweep
from luigi_tasks.domain.walk import Read, Walk
from luigi_tasks.gateways import listing_ledger
from luigi_tasks.gateways.listing_ledger import Slice
from luigi_tasks.gateways.request_budget import Rank
from luigi_tasks.steps.fetch import Fetcher

# (number of the page, how often it was read already) → the page
Reader = Callable[[int, int], Read]


@dataclass
class Swept:
    """What a run swept. problem: why the source did not answer, which is left to a later run."""

    slice: Slice | None = None
    reads: int = 0
    spans: list[Span] = field(default_factory=list)
    seen: dict[str, Position] = field(default_factory=dict)
    problem: str = ""


def sweep(fetcher: Fetcher, read: Reader, walk: Walk, certificate: Certificate) -> Swept:
    """Read a few pages on from where the query's rotation stands; a crawl that read everything completes it."""
    if not certificate.complete or not certificate.intervals or not walk.page_size:
        return Swept()
    with fetcher.connection, fetcher.connection.cursor() as cursor:
        rotation, standing, ended_at = listing_ledger.standing(cursor, fetcher.run.query.key, fetcher.run.key)
    top = certificate.intervals[0]
    if top.to_end:
        whole = Slice(rotation, top, walk.deepest, certificate.total_last, certificate.reads, walk.last_moment)
        return Swept(whole)
    rest = datetime.timedelta(hours=fetcher.settings.wallhaven_sweep_rest_hours)
    if ended_at and walk.last_moment - ended_at < rest:
        return Swept()
    if standing is None:
        standing = Standing(top.oldest, walk.deepest, certificate.total_last)
    first_page = standing.page_now(certificate.total_last, walk.page_size)
    slicing = Sweep(standing, first_page, fetcher.settings.wallhaven_sweep_pages)
    swept = _read(fetcher, read, walk, slicing)
    found, span = slicing.interval(), slicing.span()
    if found and span and slicing.last:
        last = slicing.last
        swept.slice = Slice(rotation, found, last.number, last.total, slicing.reads, last.moment)
        swept.spans.append(span)
    return swept


def _read(fetcher: Fetcher, read: Reader, walk: Walk, slicing: Sweep) -> Swept:
    fetcher.give_way(Rank.REFRESH)
    swept, own = Swept(), Counter[int]()
    while slicing.next is not None:
        number = slicing.next
        try:
            page = read(number, walk.times_read(number) + own[number])
        except SourceError as problem:
            swept.problem = problem.what
            fetcher.progress.update(0, 0, note=f"sweep, page {number}: {problem.what}; left to a later run")
            break
        own[number] += 1
        swept.reads += 1
        swept.seen |= {position.record_id: position for position in page.positions}
        slicing.take(page)
    return swept
