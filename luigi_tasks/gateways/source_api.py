"""GET from a source's API: whole-response deadline, caps on bytes and on their ratio, no redirect, key in a header."""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping
from dataclasses import dataclass

import requests
import urllib3.exceptions

from luigi_tasks.domain.archive import MOST_EXPANSION, unpacks_too_far
from luigi_tasks.domain.errors import SourceError, SourceUnreachable
from luigi_tasks.domain.identity import USER_AGENT
from luigi_tasks.gateways.source_connection import HeadInTime

READ_BYTES = 64 << 10
READ_SECONDS = 10.0
CHECK_KEY = "Check {}: one word of plain characters."


@dataclass(frozen=True)
class Response:
    """One whole response: exact body bytes, header names lower case, the UTC moment its last byte arrived."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    fetched_at: datetime.datetime


class SourceApi:
    """An API at base_url. Not thread-safe: one for each thread."""

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        timeout_seconds: float,
        max_bytes: int,
        *,
        key_setting: str = "the source's API key",
    ) -> None:
        self.key_setting = key_setting
        self.base_url, self.timeout_seconds, self.max_bytes = base_url, timeout_seconds, max_bytes
        self._session = requests.Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HeadInTime())
        self._session.auth = _no_credentials_of_the_machine
        self._session.headers.update({"User-Agent": USER_AGENT, "Accept": "application/json", **headers})

    def get(self, path: str, params: tuple[tuple[str, str], ...] = ()) -> Response:
        """The response, whatever its status.

        Raises SourceUnreachable when none came whole in time, SourceError when it is larger than the cap or unpacks
        to more than MOST_EXPANSION times what was sent; a small one may.
        """
        deadline = time.monotonic() + self.timeout_seconds
        url = self.base_url + path
        try:
            with self._session.get(
                url,
                params=params,
                stream=True,
                allow_redirects=False,
                timeout=(min(READ_SECONDS, self.timeout_seconds), min(READ_SECONDS, self.timeout_seconds)),
            ) as answer:
                body = self._read(answer, deadline)
                headers = {name.lower(): value for name, value in answer.headers.items()}
                return Response(answer.url, answer.status_code, headers, body, datetime.datetime.now(datetime.UTC))
        except (requests.exceptions.InvalidHeader, UnicodeError):
            # Their words hold the value, which may be the key.
            raise SourceError(
                "HTTP cannot carry what the request holds", where=url, mend=CHECK_KEY.format(self.key_setting)
            ) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as problem:
            raise SourceUnreachable(f"no whole answer: {_reason(problem)}", where=url) from None

    def _read(self, answer: requests.Response, deadline: float) -> bytes:
        body = bytearray()
        while chunk := answer.raw.read1(READ_BYTES, decode_content=True):
            body += chunk
            if len(body) > self.max_bytes:
                raise SourceError(
                    f"the answer is larger than {self.max_bytes} bytes",
                    where=answer.url,
                    mend="Ask for less at once, or set SOURCE_PAGE_MAX_BYTES (SALES_MAX_BYTES for sales) higher.",
                )
            if unpacks_too_far(len(body), answer.raw.tell()):
                raise SourceError(
                    f"the answer unpacks to more than {MOST_EXPANSION} times its size",
                    where=answer.url,
                    mend="No listing does; look at what the address serves: curl --head, without --compressed.",
                )
            if time.monotonic() > deadline:
                raise SourceUnreachable(f"no whole answer in {self.timeout_seconds:g} s", where=answer.url)
        return bytes(body)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def __enter__(self) -> SourceApi:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _no_credentials_of_the_machine(request: requests.PreparedRequest) -> requests.PreparedRequest:
    # Without an auth of its own, requests would add what ~/.netrc holds for the host.
    return request


def _reason(problem: BaseException) -> str:
    """The innermost words: 'Connection refused' rather than a pool's history; never a header."""
    innermost = problem
    while isinstance(deeper := _deeper(innermost), BaseException):
        innermost = deeper
    return f"{type(innermost).__name__}: {innermost}"


def _deeper(problem: BaseException) -> object:
    """What it came from; nothing when it was raised `from None`, to stand for that."""
    told = getattr(problem, "reason", None) or problem.__cause__
    return told or (None if problem.__suppress_context__ else problem.__context__)
