"""Download of one picture: allowed hosts only, a total deadline, a cap on bytes, and every failure named."""

from __future__ import annotations

import http.client
import math
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType

import urllib3.exceptions as lost
from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential
from urllib3 import BaseHTTPResponse, Timeout

from luigi_tasks.domain.identity import USER_AGENT
from luigi_tasks.domain.publishing import Outcome, PictureError
from luigi_tasks.gateways.answer_times import AnswerTimes
from luigi_tasks.gateways.image_hosts import Address, ImageHosts, pool_manager
from luigi_tasks.gateways.receiving import LOOK_SECONDS, receive
from luigi_tasks.gateways.room import PictureTime, Room
from luigi_tasks.settings import Settings

CHUNK = 1 << 16
MAX_REDIRECTS = 3
TRIES = {Outcome.UNREACHABLE: 3, Outcome.THROTTLED: 2}
CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
HEADERS = {"User-Agent": USER_AGENT, "Accept": "image/*", "Accept-Encoding": "identity"}
IDLE_SECONDS = 5.0  # a host is left in the middle of its answer for so long while there is no room
REDIRECTS = {301, 302, 303, 307, 308}
BY_STATUS = {
    401: (Outcome.UNREACHABLE, "blocked: HTTP 401"),
    403: (Outcome.UNREACHABLE, "blocked: HTTP 403"),  # a CDN's challenge answers 403 to everything: never final
    404: (Outcome.GONE, "HTTP 404"),
    410: (Outcome.GONE, "HTTP 410"),
    429: (Outcome.THROTTLED, "HTTP 429"),
}
# Words that group in a report; the exceptions' own messages name objects in memory. The first match counts.
LOSSES: tuple[tuple[type[Exception], str], ...] = (
    (lost.NameResolutionError, "host name not resolved"),
    (lost.NewConnectionError, "cannot connect"),
    (lost.ConnectTimeoutError, "connection timed out"),
    (lost.ReadTimeoutError, "timed out"),
    (TimeoutError, "timed out"),
    (lost.SSLError, "TLS failed"),
)


class DownloadStopped(Exception):
    """The run is stopping: nothing is known of this picture, and nothing is charged to it."""


class _NoRoomYet(Exception):
    """Hung up before the body was there, for no fault of its host. bytes: of room to have before asking again."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.bytes = size


@dataclass(frozen=True)
class Download:
    """The exact body of a 200, in the room that the caller gave."""

    body: memoryview
    content_type: str
    status: int


class Downloader:
    """Fetches pictures; shared by any number of threads. Use as a context manager: connections are kept open.

    stop: once set, waits and downloads end within a read with DownloadStopped. Proxies of the environment are not
    used: the address check would see only the proxy.
    """

    def __init__(self, settings: Settings, stop: threading.Event | None = None) -> None:
        self._hosts = ImageHosts(settings.wallhaven_image_hosts)
        self._seconds = settings.image_timeout_seconds
        self._max_bytes = settings.image_max_bytes
        self._stop = stop or threading.Event()
        self._answers = AnswerTimes(settings.image_answer_seconds)
        self._pools = pool_manager(settings.upload_concurrency)

    def __enter__(self) -> Downloader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pools.clear()

    def least_answer_seconds(self) -> float | None:
        """How soon the quickest good answer began; None before there were a few."""
        return self._answers.least

    def fetch_quickly(self, url: str, room: Room) -> Download:
        """As fetch, but asked once, and given up after IMAGE_ANSWER_SECONDS, or less, of silence."""
        return self._try(url, room, PictureTime(self._seconds), self._answers.quick)

    def fetch(self, url: str, room: Room) -> Download:
        """The picture's bytes, within IMAGE_TIMEOUT_SECONDS for everything together but the waits for room.

        An unreachable host is asked up to three times with jitter, a throttling one once more after the wait it asks
        for; the ledger counts all of them as one attempt. room: taken once a good answer has begun, for the size that
        it names; given back before an error is raised and between two tries. While room is scarce it is taken before
        the request. Raises PictureError with the outcome, or DownloadStopped.
        """
        clock = PictureTime(self._seconds)
        tries = Retrying(
            retry=retry_if_exception(_worth_another_try),
            stop=lambda state: _enough(state, clock),
            wait=_pause,
            sleep=self._sleep,
            reraise=True,
        )
        return tries(self._try, url, room, clock)

    def _sleep(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise DownloadStopped

    def _try(self, url: str, room: Room, clock: PictureTime, silence: float = READ_SECONDS) -> Download:
        address = self._hosts.allowed(url)
        try:
            if room.is_scarce():
                self._place(room, min(room.usual, self._max_bytes), clock)
            for size in (None, self._max_bytes):
                try:
                    return self._follow(address, room, clock, silence)
                except _NoRoomYet as hung_up:
                    self._place(room, size or hung_up.bytes, clock)
            return self._follow(address, room, clock, silence)
        except PictureError:
            room.give_back()
            raise

    def _place(self, room: Room, size: int, clock: PictureTime, seconds: float = math.inf) -> memoryview | None:
        """A block of so many bytes, waited for so long."""
        with clock.standing_still():
            until = time.monotonic() + seconds
            while (place := room.take(size, max(0.0, min(LOOK_SECONDS, until - time.monotonic())))) is None:
                if self._stop.is_set():
                    raise DownloadStopped
                if time.monotonic() >= until:
                    return None
        return place

    def _follow(self, address: Address, room: Room, clock: PictureTime, silence: float) -> Download:
        for _ in range(MAX_REDIRECTS + 1):
            try:
                begun = time.monotonic()
                response = self._request(address, clock, silence)
                if response.status == 200:
                    self._answers.note(time.monotonic() - begun)
                try:
                    if response.status not in REDIRECTS:
                        return self._read(response, room, clock)
                    address = self._hosts.allowed(response.headers.get("Location", ""), address)
                finally:
                    response.close()
            except (lost.HTTPError, OSError) as problem:
                raise PictureError(Outcome.UNREACHABLE, _words(problem)) from problem
        raise PictureError(Outcome.UNREACHABLE, "too many redirects")

    def _request(self, address: Address, clock: PictureTime, silence: float) -> BaseHTTPResponse:
        left = self._time_left(clock)
        return self._pools.connection_from_host(address.host, address.port, address.scheme).urlopen(
            "GET",
            address.target,
            headers=HEADERS,
            redirect=False,
            retries=False,
            preload_content=False,
            decode_content=False,
            timeout=Timeout(connect=min(CONNECT_SECONDS, silence, left), read=min(silence, left)),
        )

    def _read(self, response: BaseHTTPResponse, room: Room, clock: PictureTime) -> Download:
        _refuse_status(response)
        content_type = response.headers.get("Content-Type", "")
        if content_type.startswith(("text/", "application/json", "application/xhtml")):
            raise PictureError(Outcome.CORRUPT, f"not an image: {content_type.partition(';')[0]}", response.status)
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise PictureError(Outcome.CORRUPT, "content-encoded although identity was asked for", response.status)
        if response.length_remaining == 0:
            raise PictureError(Outcome.CORRUPT, "empty", response.status)
        return Download(self._body(response, room, clock), content_type, response.status)

    def _body(self, response: BaseHTTPResponse, room: Room, clock: PictureTime) -> memoryview:
        declared = response.length_remaining
        size = min(room.usual, self._max_bytes) if declared is None else declared
        self._refuse_size(size)
        waited = (place := room.take(size, 0)) is None
        if place is None and (place := self._place(room, size, clock, IDLE_SECONDS)) is None:
            raise _NoRoomYet(size)
        try:
            return self._fill(response, place[:size], clock) if declared else self._collect(response, place, clock)
        except (lost.HTTPError, OSError) as problem:
            if waited:  # by our doing: maybe its host had enough of that
                raise _NoRoomYet(size) from problem
            raise

    def _fill(self, response: BaseHTTPResponse, body: memoryview, clock: PictureTime) -> memoryview:
        received = response._fp  # type: ignore[attr-defined]
        if receive(received, body, lambda: self._time_left(clock)) < len(body):
            raise lost.ProtocolError(http.client.IncompleteRead(b""))
        received.length = 0
        received.read()  # tells http.client that the connection may be used again
        response.release_conn()
        return body

    def _collect(self, response: BaseHTTPResponse, place: memoryview, clock: PictureTime) -> memoryview:
        """A body that does not say its length."""
        position = 0
        while chunk := response.read1(CHUNK):
            self._time_left(clock)
            self._refuse_size(position + len(chunk))
            if position + len(chunk) > len(place):
                raise _NoRoomYet(self._max_bytes)
            place[position : position + len(chunk)] = chunk
            position += len(chunk)
        if not position:
            raise PictureError(Outcome.CORRUPT, "empty", response.status)
        return place[:position]

    def _refuse_size(self, size: int) -> None:
        if size > self._max_bytes:
            raise PictureError(Outcome.REFUSED, "larger than IMAGE_MAX_BYTES")

    def _time_left(self, clock: PictureTime) -> float:
        if self._stop.is_set():
            raise DownloadStopped
        return clock.left()


def _words(problem: lost.HTTPError | OSError) -> str:
    if any(isinstance(cause, lost.IncompleteRead | http.client.IncompleteRead) for cause in problem.args):
        return "cut short"
    return next((words for kind, words in LOSSES if isinstance(problem, kind)), "connection lost")


def _refuse_status(response: BaseHTTPResponse) -> None:
    status = response.status
    if status == 200:
        return
    outcome, reason = BY_STATUS.get(status, (Outcome.UNREACHABLE, f"HTTP {status}"))
    raise PictureError(outcome, reason, status, _retry_after(response.headers.get("Retry-After")))


def _retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header, which holds either seconds or an HTTP date."""
    if value is None:
        return None
    try:
        if value.strip().isdigit():
            return float(value)
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _worth_another_try(problem: BaseException) -> bool:
    """A 4xx other than 429 says the same when it is asked again at once."""
    if not isinstance(problem, PictureError) or problem.outcome not in TRIES:
        return False
    status = problem.http_status or 0
    return not 400 <= status < 500 or status == 429


def _enough(state: RetryCallState, clock: PictureTime) -> bool:
    problem = _problem(state)
    return state.attempt_number >= TRIES[problem.outcome] or not clock.is_enough_for(state.upcoming_sleep)


def _pause(state: RetryCallState) -> float:
    asked = _problem(state).retry_after
    return asked if asked is not None else wait_random_exponential(multiplier=0.5, min=0.1, max=4)(state)


def _problem(state: RetryCallState) -> PictureError:
    problem = state.outcome.exception() if state.outcome else None
    assert isinstance(problem, PictureError), "only a PictureError is tried again"
    return problem
