"""Puts of whole objects into a bucket, one signed request each: what boto3 does in a fifth of its CPU time.

Certificates, time-outs and error classes are botocore's (gateways/s3_wire.py), and where the environment names a proxy
its session sends. Nothing but the try itself is hidden: what may pass is tried again here, with the same
conditions, and a 412 after a lost reply is left to the caller, who compares what is there.
"""

from __future__ import annotations

import base64
import datetime
import random
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError, NoCredentialsError

from luigi_tasks.domain.identity import USER_AGENT
from luigi_tasks.domain.publishing import Body
from luigi_tasks.gateways.s3_wire import sender
from luigi_tasks.gateways.signing import encoded_key, signed

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from botocore.session import Session

TRIES = 4
LONGEST_PAUSE_SECONDS = 20.0
TRY_AGAIN_STATUS = {429, 500, 502, 503, 504}
TRY_AGAIN_CODES = {"RequestTimeout", "IncompleteBody", "SlowDown"}
# An answer about where the bucket is: only the driver knows how to go there.
ELSEWHERE = {"PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "301", "307"}
CODE = re.compile(rb"<Code>([^<]+)</Code>")


class Elsewhere(Exception):
    """The bucket is in another region than we signed for."""


class Puts:
    """Creates objects under `base`, an address that ends with a slash. Safe to share between threads.

    read_timeout: seconds without an answer after which a try is over; the object may be there all the same.
    """

    def __init__(self, session: Session, base: str, region: str, connections: int, read_timeout: float) -> None:
        self._base, self._region = base, region
        credentials: Credentials | None = session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        self._credentials = credentials
        self._send = sender(base, session.get_config_variable("ca_bundle") or True, connections, read_timeout)

    def put(
        self,
        key: str,
        body: Body,
        *,
        content_type: str,
        sha256: str,
        metadata: Mapping[str, str],
        create_only: bool,
    ) -> None:
        """Put one object. sha256: hex, of body; the server compares. create_only: not when something is there.

        Raises ClientError for any answer but 200, BotoCoreError for none, both after up to four tries where a try
        may help; Elsewhere.
        """
        headers = {
            "Content-Type": content_type,
            "Content-Length": str(len(body)),
            "User-Agent": USER_AGENT,
            "x-amz-checksum-sha256": base64.b64encode(bytes.fromhex(sha256)).decode(),
            "x-amz-sdk-checksum-algorithm": "SHA256",
            **{f"x-amz-meta-{name}": value for name, value in metadata.items()},
        }
        if create_only:
            headers["If-None-Match"] = "*"
        for left in reversed(range(TRIES)):
            try:
                return self._try(self._base + encoded_key(key), body, headers, sha256)
            except (ClientError, BotoCoreError) as problem:
                if not left or not _worth_another_try(problem):
                    raise
            time.sleep(random.uniform(0, min(LONGEST_PAUSE_SECONDS, 2 ** (TRIES - 1 - left))))  # noqa: S311 (jitter)
        return None

    def _try(self, url: str, body: Body, headers: Mapping[str, str], sha256: str) -> None:
        now = datetime.datetime.now(datetime.UTC)
        frozen = self._credentials.get_frozen_credentials()  # renews those that end
        complete = signed("PUT", url, headers, sha256, frozen, self._region, now)
        status, content = self._send(url, body, complete)
        if status != 200:
            _refuse(status, content)


def _refuse(status: int, content: bytes) -> None:
    found = CODE.search(content)
    code = found[1].decode(errors="replace") if found else str(status)
    if code in ELSEWHERE:
        raise Elsewhere(code)
    raise ClientError(
        {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "PutObject",
    )


def _worth_another_try(problem: ClientError | BotoCoreError) -> bool:
    if isinstance(problem, ClientError):
        status = problem.response["ResponseMetadata"]["HTTPStatusCode"]
        return status in TRY_AGAIN_STATUS or problem.response["Error"]["Code"] in TRY_AGAIN_CODES
    return isinstance(problem, HTTPClientError | ConnectionError)
