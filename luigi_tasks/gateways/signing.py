"""AWS Signature Version 4 of one S3 request whose body's SHA-256 is known, so that the body is covered and read once.

botocore's signer does the same in five times the CPU time, and hashes a body over http by itself. Rules:
"Authenticating Requests: Using the Authorization Header (AWS Signature Version 4)", Amazon S3 API reference.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import hmac
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import quote, urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"


class Credentials(Protocol):
    """What botocore calls frozen credentials."""

    @property
    def access_key(self) -> str | None: ...

    @property
    def secret_key(self) -> str | None: ...

    @property
    def token(self) -> str | None: ...


def signed(
    method: str,
    url: str,
    headers: Mapping[str, str],
    sha256: str,
    credentials: Credentials,
    region: str,
    moment: datetime.datetime,
) -> dict[str, str]:
    """The headers with those that sign them. url: already percent-encoded, without a query; moment: in UTC."""
    parts, stamp = urlsplit(url), moment.strftime("%Y%m%dT%H%M%SZ")
    complete = {**headers, "Host": parts.netloc, "X-Amz-Date": stamp, "X-Amz-Content-SHA256": sha256}
    if credentials.token:
        complete["X-Amz-Security-Token"] = credentials.token
    canonical = {name.lower(): " ".join(value.split()) for name, value in sorted(complete.items(), key=_by_name)}
    names = ";".join(canonical)
    lines = "".join(f"{name}:{value}\n" for name, value in canonical.items())
    request = f"{method}\n{parts.path or '/'}\n\n{lines}\n{names}\n{sha256}"
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    text = f"{ALGORITHM}\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = hmac.new(
        _key(credentials.secret_key or "", stamp[:8], region), text.encode(), hashlib.sha256
    ).hexdigest()
    complete["Authorization"] = (
        f"{ALGORITHM} Credential={credentials.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return complete


def encoded_key(key: str) -> str:
    """An object key as it stands in a path; S3 wants everything encoded but these."""
    return quote(key, safe="/-_.~")


def _by_name(header: tuple[str, str]) -> str:
    return header[0].lower()


@functools.lru_cache(maxsize=8)
def _key(secret: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
