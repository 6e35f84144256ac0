"""The wire of Google Cloud Storage: its JSON API over requests, the credentials, and errors in our words.

Paths, parameters and reasons: https://cloud.google.com/storage/docs/json_api/v1. Any try may be repeated: what writes
says which generation it expects, so a repetition of a put that was committed meets its own object as a 412.
"""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter

from luigi_tasks.domain.errors import SettingsError, StoreError
from luigi_tasks.domain.identity import USER_AGENT
from luigi_tasks.domain.publishing import Body
from luigi_tasks.gateways.objects import ChecksumRefused, NoConditions, ObjectMissing, StoreUnavailable
from luigi_tasks.settings import Settings

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from requests import PreparedRequest, Response

GOOGLE = "https://storage.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
TRIES = 4
LONGEST_PAUSE_SECONDS = 20.0
TRY_AGAIN_STATUS = {408, 429, 500, 502, 503, 504}
TIMEOUT = (10, 60)  # seconds to connect, and between two reads
CREDENTIALS_MEND = (
    "Check GOOGLE_APPLICATION_CREDENTIALS, or run `gcloud auth application-default login`, and that they may"
    " create, read and list objects here."
)
BUCKET_MEND = "Create the bucket or correct BUCKET_NAME."
NETWORK_MEND = "Check STORAGE_EMULATOR_HOST and the network."


class Forbidden(StoreError):
    """403: these credentials may not do that."""


class Parts:
    """A body of several pieces that are sent one after the other and never joined. len: bytes."""

    def __init__(self, *parts: Body) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[Body]:
        return iter(self._parts)

    def __len__(self) -> int:
        return sum(len(part) for part in self._parts)


class GcsApi:
    """Signed requests to one bucket. Safe to share between threads."""

    def __init__(self, settings: Settings, bucket: str) -> None:
        emulator = settings.storage_emulator_host
        self.base = GOOGLE if not emulator else emulator if "://" in emulator else f"http://{emulator}"
        self.where = f"bucket gs://{bucket} at {self.base if emulator else 'Google'}"
        self._credentials = None if emulator else _credentials(settings)
        self._signing = threading.Lock()
        self._http = requests.Session()
        adapter = HTTPAdapter(pool_maxsize=max(16, settings.upload_concurrency))
        for scheme in ("https://", "http://"):
            self._http.mount(scheme, adapter)

    def call(
        self,
        doing: str,
        method: str,
        path: str,
        parameters: Mapping[str, str] | None = None,
        body: Parts | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """The answer, 2xx or 412 (something is there), after up to four tries where a try may help.

        Raises ObjectMissing for a 404 of an object, Forbidden, ChecksumRefused, NoConditions, StoreUnavailable,
        StoreError.
        """
        # Objects that were stored compressed would be unpacked on the way: only their own bytes have their hash.
        complete = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **(headers or {})}
        for left in reversed(range(TRIES)):
            try:
                return self._try(doing, method, path, parameters or {}, body, complete)
            except ChecksumRefused:
                raise
            except StoreUnavailable:
                if not left:
                    raise
            time.sleep(random.uniform(0, min(LONGEST_PAUSE_SECONDS, 2 ** (TRIES - 1 - left))))  # noqa: S311 (jitter)
        raise AssertionError("the last try returns or raises")

    def _try(
        self,
        doing: str,
        method: str,
        path: str,
        parameters: Mapping[str, str],
        body: Parts | None,
        headers: Mapping[str, str],
    ) -> Response:
        try:
            answer = self._http.request(
                method,
                self.base + path,
                params=parameters,
                data=cast("Iterator[bytes] | None", body),
                headers=headers,
                auth=self._signed,
                timeout=TIMEOUT,
                allow_redirects=False,
            )
        except requests.RequestException as problem:  # its message may carry addresses: only its class is passed on
            raise StoreUnavailable(f"{doing}: {type(problem).__name__}", where=self.where, mend=NETWORK_MEND) from None
        if answer.ok or answer.status_code == 412:
            return answer
        raise self._told(answer, doing)

    def _signed(self, request: PreparedRequest) -> PreparedRequest:
        """Always given to requests, which else would sign with what ~/.netrc says of the host."""
        if self._credentials is not None:
            from google.auth import exceptions
            from google.auth.transport.requests import Request

            try:
                with self._signing:
                    self._credentials.before_request(Request(), request.method, request.url, request.headers)  # type: ignore[no-untyped-call]
            except exceptions.TransportError:
                raise StoreUnavailable("no answer to the request for a token", where=self.where) from None
            except exceptions.GoogleAuthError as problem:
                raise StoreError(
                    f"no token: {type(problem).__name__}", where=self.where, mend=CREDENTIALS_MEND
                ) from None
        return request

    def _told(self, answer: Response, doing: str) -> StoreError:
        status, reason = answer.status_code, _reason(answer)
        what = f"{doing}: {status} {reason}"
        if status in {400, 409} and b"MD5 hash" in answer.content:
            return ChecksumRefused(what, where=self.where)
        if status == 404 and doing.startswith(("get ", "head ", "remove ")):
            return ObjectMissing("there is no such object", where=f"{doing.partition(' ')[2]} in {self.where}")
        if status == 501:
            return NoConditions(what, where=self.where)
        if status == 403:
            return Forbidden(what, where=self.where, mend=CREDENTIALS_MEND)
        if status in TRY_AGAIN_STATUS or status >= 500 or status == 409:
            return StoreUnavailable(what, where=self.where)
        return StoreError(what, where=self.where, mend=BUCKET_MEND if status == 404 else CREDENTIALS_MEND)


def create_bucket(settings: Settings, bucket: str, project: str) -> bool:
    """Create a bucket that only its project reaches; False when it is there. Raises SettingsError, StoreError."""
    api = GcsApi(settings, bucket)
    try:
        api.call("look for the bucket", "GET", f"/storage/v1/b/{quote(bucket, safe='')}/o", {"maxResults": "1"})
    except StoreError as problem:
        if problem.mend != BUCKET_MEND:
            raise
    else:
        return False
    if not project:
        raise SettingsError("no project is named for the bucket", mend="Set GOOGLE_CLOUD_PROJECT to the project's id.")
    private = {
        "name": bucket,
        "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}, "publicAccessPrevention": "enforced"},
    }
    body, headers = Parts(json.dumps(private).encode()), {"Content-Type": "application/json"}
    try:
        api.call("create the bucket", "POST", "/storage/v1/b", {"project": project}, body, headers)
    except StoreUnavailable as problem:
        if "409" in problem.what:  # another one-shot was faster, or it is somebody else's: then the first look says so
            raise StoreError("the name is taken", where=api.where, mend="Choose another; or run this again.") from None
        raise
    return True


def _credentials(settings: Settings) -> Credentials:
    """The file that is named, else what Google's own search finds. Raises SettingsError without the library."""
    try:
        import google.auth
    except ImportError:
        raise SettingsError(
            "BUCKET_NAME names a bucket of Google's and google-auth is not installed",
            mend="Type `pip install 'draenei-collector[gcs]'`, or `.venv/bin/pip install google-auth` in a checkout.",
        ) from None
    try:
        if file := settings.google_application_credentials:
            with warnings.catch_warnings():  # it warns of files from strangers; this one is the settings'
                warnings.simplefilter("ignore", DeprecationWarning)
                found, _ = google.auth.load_credentials_from_file(str(file), scopes=[SCOPE])  # type: ignore[no-untyped-call]
        else:
            found, _ = google.auth.default(scopes=[SCOPE])
    except google.auth.exceptions.GoogleAuthError as problem:
        raise StoreError(f"no credentials: {type(problem).__name__}", where="Google", mend=CREDENTIALS_MEND) from None
    return cast("Credentials", found)


def _reason(answer: Response) -> str:
    """The API's word for what is wrong. Its sentences are not passed on: they may name accounts."""
    with contextlib.suppress(ValueError, KeyError, IndexError, TypeError):
        return str(answer.json()["error"]["errors"][0]["reason"])
    return answer.reason or "no reason"
