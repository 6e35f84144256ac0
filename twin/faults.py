"""What can go wrong, on demand: faults, when they strike, and what they make of an answer.

Faults of the answer itself are applied here; those of the connection (truncate, drip, reset …) by `delivery`.
"""

from __future__ import annotations

import functools
import json
import math
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from twin.messages import HTML, Response, Route, error_answer, html_answer

MATCHES = ("search", "detail", "tag", "image", "thumb", "collection", "account", "site", "any")


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    kind: a name of KINDS. match: the kind of route it strikes, or any. id, page: only requests of that wallpaper
    or listing page (for a search, `id` is instead the item that is spoilt; default: the page's first).
    times: how often, None for ever. after: how many matching requests pass unharmed first.
    status, retry_after: of the answer, the latter in seconds. seconds: the delay of `slow`, the pause between two
    bytes of `drip`. location: where `redirect` points. amount: bytes of `gzip_bomb` once unpacked (default
    200 MB) and of the surplus of `oversize` (default 4,096). field, value: for `missing_field`, `extra_field`
    and `set_field`. Raises ValueError for an unknown kind or match.
    """

    kind: str
    match: str = "any"
    times: int | None = 1
    after: int = 0
    id: str | None = None
    page: int | None = None
    status: int = 503
    retry_after: int | None = None
    seconds: float = 1.0
    location: str = ""
    amount: int | None = None
    field: str = ""
    value: Any = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no fault {self.kind!r}; there are {', '.join(sorted(KINDS))}")
        if self.match not in MATCHES:
            raise ValueError(f"no route {self.match!r} to match; there are {', '.join(MATCHES)}")

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any]) -> Fault:
        """A fault as the admin route receives it; ValueError names a field that does not exist."""
        unknown = sorted(given.keys() - {field.name for field in fields(cls)})
        if unknown or "kind" not in given:
            raise ValueError(f"unknown field {unknown[0]!r}" if unknown else "field 'kind' is missing")
        return cls(**given)

    def strikes(self, route: Route) -> bool:
        """Whether a request of this route is one of those the fault is for."""
        if route.kind == "admin" or self.match not in ("any", route.kind):
            return False
        here = self.id is None or route.kind in ("search", "collection") or self.id == route.id
        return here and (self.page is None or (route.kind in ("search", "collection") and self.page == route.page))


class FaultPlan:
    """The faults to come; the first added that strikes a request takes it. Thread-safe."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._lock = threading.Lock()
        self._seen: list[tuple[Fault, int]] = [(fault, 0) for fault in faults]

    def add(self, *faults: Fault) -> None:
        """Plan more faults, behind those already planned."""
        with self._lock:
            self._seen += [(fault, 0) for fault in faults]

    def clear(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._seen.clear()

    def pending(self) -> list[Fault]:
        """The faults that would still strike a matching request, now or later."""
        with self._lock:
            return [f for f, seen in self._seen if f.times is None or seen < f.after + f.times]

    def take(self, route: Route) -> Fault | None:
        """Count a request against every fault it matches up to the one that strikes it, if any."""
        with self._lock:
            for index, (fault, seen) in enumerate(self._seen):
                if not fault.strikes(route) or (fault.times is not None and seen >= fault.after + fault.times):
                    continue
                self._seen[index] = (fault, seen + 1)
                if seen >= fault.after:
                    return fault
        return None

    def as_json(self) -> list[dict[str, Any]]:
        """The pending faults for the admin route."""
        return [asdict(fault) for fault in self.pending()]


def throttled(limit: int, retry_after: int, reset_epoch: int) -> Response:
    """The 429 as probed: an HTML page, the two rate headers, retry-after in seconds and the reset as an epoch."""
    return html_answer(
        429,
        "Too many requests - wallhaven.cc",
        ("x-ratelimit-limit", str(limit)),
        ("x-ratelimit-remaining", "0"),
        ("retry-after", str(retry_after)),
        ("x-ratelimit-reset", str(reset_epoch)),
    )


def spoil(fault: Fault, answer: Response, route: Route) -> Response:
    """The answer as the fault leaves it; unchanged by a fault of the connection."""
    return KINDS[fault.kind](fault, answer, route)


Spoiler = Callable[[Fault, Response, Route], Response]


def _unchanged(_fault: Fault, answer: Response, _route: Route) -> Response:
    return answer


def _status(fault: Fault, _answer: Response, _route: Route) -> Response:
    wait = () if fault.retry_after is None else (("retry-after", str(fault.retry_after)),)
    return html_answer(fault.status, f"Error {fault.status}", *wait)


def _throttle(fault: Fault, _answer: Response, _route: Route) -> Response:
    wait = 1 if fault.retry_after is None else fault.retry_after
    return throttled(45, wait, math.ceil(time.time() + wait))


def _html_200(_fault: Fault, _answer: Response, _route: Route) -> Response:
    return html_answer(200, "Wallhaven is under maintenance")


def _wrong_type(_fault: Fault, answer: Response, _route: Route) -> Response:
    return replace(answer, body=html_answer(200, "Just a moment...").body)


def _redirect(fault: Fault, _answer: Response, _route: Route) -> Response:
    return Response(302, b"", HTML, (("location", fault.location),))


def _gone(_fault: Fault, _answer: Response, route: Route) -> Response:
    return html_answer(404, "404 Not Found") if route.kind in ("image", "thumb") else error_answer(404, "Nothing here")


def _corrupt(_fault: Fault, answer: Response, _route: Route) -> Response:
    body = bytearray(answer.body)
    middle = len(body) // 2
    for index in (*range(middle, min(middle + 64, len(body))), *range(max(0, len(body) - 16), len(body))):
        body[index] ^= 0x5A
    return replace(answer, body=bytes(body))


def _oversize(fault: Fault, answer: Response, _route: Route) -> Response:
    return replace(answer, body=answer.body + bytes(4096 if fault.amount is None else fault.amount))


@functools.lru_cache(maxsize=2)
def _bomb(amount: int) -> bytes:
    packer = zlib.compressobj(wbits=31)
    block = b" " * min(amount, 1 << 20)
    packed = [packer.compress(block) for _ in range(amount // len(block))] if amount else []
    return b"".join((*packed, packer.flush()))


def _gzip_bomb(fault: Fault, answer: Response, _route: Route) -> Response:
    body = _bomb(200_000_000 if fault.amount is None else fault.amount)
    return replace(answer, body=body, headers=(*answer.headers, ("content-encoding", "gzip")))


def _bad_json(_fault: Fault, answer: Response, _route: Route) -> Response:
    return replace(answer, body=answer.body[: len(answer.body) // 2] + b'"}}')


def _in_body(change: Callable[[Fault, dict[str, Any]], None]) -> Spoiler:
    """A spoiler of the parsed body; an answer that is no JSON object with data stays as it is."""

    def spoiler(fault: Fault, answer: Response, _route: Route) -> Response:
        if answer.status != 200 or not answer.content_type.startswith("application/json"):
            return answer
        body = json.loads(answer.body)
        change(fault, body)
        return replace(answer, body=json.dumps(body, separators=(",", ":")).encode())

    return spoiler


def _in_item(change: Callable[[Fault, dict[str, Any]], None]) -> Spoiler:
    def in_body(fault: Fault, body: dict[str, Any]) -> None:
        items = body["data"] if isinstance(body["data"], list) else [body["data"]]
        for item in [one for one in items if fault.id in (None, one.get("id"))][:1]:
            change(fault, item)

    return _in_body(in_body)


def _set(field: str, value: object) -> Spoiler:
    return _in_item(lambda fault, item: item.update({fault.field or field: value}))


def _empty_data(_fault: Fault, body: dict[str, Any]) -> None:
    body["data"] = []


def _duplicate_item(fault: Fault, body: dict[str, Any]) -> None:
    twice = [item for item in body["data"] if fault.id in (None, item["id"])][:1]
    body["data"] = body["data"] + twice


KINDS: dict[str, Spoiler] = {
    "status": _status,
    "throttle": _throttle,
    "html_200": _html_200,
    "wrong_type": _wrong_type,
    "redirect": _redirect,
    "gone": _gone,
    "corrupt": _corrupt,
    "oversize": _oversize,
    "gzip_bomb": _gzip_bomb,
    "bad_json": _bad_json,
    "empty_data": _in_body(_empty_data),
    "duplicate_item": _in_body(_duplicate_item),
    "extra_field": _in_item(lambda fault, item: item.update({fault.field or "mood": fault.value})),
    "missing_field": _in_item(lambda fault, item: item.pop(fault.field or "path", None)),
    "set_field": _in_item(lambda fault, item: item.update({fault.field: fault.value})),
    "null_byte": _set("source", "before\0after"),
    "lone_surrogate": _set("source", "\ud83d"),
    "nan": _set("views", math.nan),
    "huge_number": _set("views", 10**400),
    **dict.fromkeys(("truncate", "truncate_silent", "wrong_length", "slow", "drip", "reset"), _unchanged),
}
"""Every kind of fault. In short: truncate: full Content-Length, half the body, then the connection ends.
truncate_silent: the same without Content-Length. wrong_length: the whole body under half its Content-Length.
wrong_type: HTML under the picture's content type. corrupt: bytes flipped in the middle and at the end, length kept.
oversize: bytes after the end, announced in Content-Length and not in `file_size`. drip: single bytes, for ever."""
