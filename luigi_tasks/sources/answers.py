"""Is this an answer? Status first, then content type, then the body; never the other way round."""

from __future__ import annotations

import email.utils
import math
from collections.abc import Mapping

from luigi_tasks.domain.errors import SourceError, SourceFailed, SourceRefused, SourceThrottled
from luigi_tasks.sources.contract import Source

LATER = "Run the same command later."
PAGE_IN_BETWEEN = "A proxy or the source put a page in between: open the address in a browser."
REFUSED = "Check{key} that the source's pages open in a browser from this network."
DEFAULT_RETRY_AFTER = 30.0


class Retry(Exception):
    """No answer this time, but it may pass. seconds: the wait that the source asks for, None when it asks for none."""

    def __init__(self, cause: SourceError, seconds: float | None = None) -> None:
        super().__init__(str(cause))
        self.cause, self.seconds = cause, seconds


def judge(source: Source, entity: str, status: int, headers: Mapping[str, str], body: bytes, *, where: str) -> None:
    """Return for an answer. Raise Retry for what may pass, SourceRefused or SourceError for what will not.

    headers: names lower case. A 200 is an answer only when its body parses as the entity's.
    """
    if status == 429:
        raise Retry(SourceThrottled("429: too many requests", where=where, mend=LATER), retry_after(headers))
    content_type = headers.get("content-type", "").split(";")[0].strip().lower() or "no content type"
    media = source.ENTITIES[entity].media
    if content_type.endswith(media) and status in source.ENTITIES[entity].statuses:
        _parse(source, entity, body, where)
        return
    if status in source.ENTITIES[entity].statuses | {200}:
        due = "JSON" if "/json" in media else " or ".join(media)
        raise Retry(SourceError(f"{status} with {content_type} where {due} was due", where=where, mend=PAGE_IN_BETWEEN))
    if status in {401, 403}:
        raise SourceRefused(f"{status}: the source refuses us ({content_type})", where=where, mend=_check(source))
    if status >= 500 or status == 408:
        seconds = retry_after(headers) if "retry-after" in headers else None
        raise Retry(SourceFailed(f"{status} from the source", where=where, mend=LATER), seconds)
    raise SourceError(f"{status}, which is no answer to this request", where=where)


def _check(source: Source) -> str:
    return REFUSED.format(key=f" {source.NAME.upper()}_API_KEY, and" if source.CREDENTIAL_HEADER else "")


def _parse(source: Source, entity: str, body: bytes, where: str) -> None:
    try:
        source.parse(entity, body)
    except SourceError as problem:
        if problem.mend:  # the source knows what helps, so waiting does not
            raise SourceError(problem.what, where=where, mend=problem.mend) from None
        raise Retry(SourceError(problem.what, where=where, mend=LATER)) from None


def seconds_to_pause(headers: Mapping[str, str], now: float, own: int = 0) -> float:
    """How long nobody should ask, by the source's own count (x-ratelimit-*): 0 while it has requests left.

    now: seconds since the epoch. own: our requests in the last minute; when they are all that the source allows, its
    count is ours, and our budget waits for the window already. At most a minute, the length of that window.
    """
    if headers.get("x-ratelimit-remaining") != "0" or own >= number(headers.get("x-ratelimit-limit"), math.inf):
        return 0.0
    reset = number(headers.get("x-ratelimit-reset"), 0.0)
    return min(max(reset - now if reset else DEFAULT_RETRY_AFTER, 1.0), 60.0)


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that an answer asks us to wait; a Retry-After that is a date counts from the answer's own Date."""
    asked = headers.get("retry-after", "")
    try:
        moments = [email.utils.parsedate_to_datetime(text) for text in (asked, headers.get("date", ""))]
        return max(0.0, (moments[0] - moments[1]).total_seconds())
    except (ValueError, TypeError):
        return number(asked, DEFAULT_RETRY_AFTER)


def number(text: str | None, default: float) -> float:
    """A header's number of seconds, the default when it is missing or no number."""
    try:
        found = float(text) if text else default
    except ValueError:
        return default
    return default if math.isnan(found) else max(0.0, found)
