"""Objects in an S3 bucket: created by conditional PUT with a SHA-256 checksum that the server verifies.

A PUT whose reply was lost is repeated and then meets its own object as a 412, so a 412 is never an error by itself:
what is there is read back and compared. A server that cannot put conditionally (501, or the probe found that it
overwrites) gets HEAD, then PUT: safe with one writer, or under the lock of a GuardedStore, which Publish uses.
"""

from __future__ import annotations

import base64
import contextlib
import functools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, FlexibleChecksumError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as NoConnection
from urllib3.exceptions import HTTPError

from luigi_tasks.domain.errors import StoreError
from luigi_tasks.domain.identity import CODE_VERSION, PROJECT
from luigi_tasks.domain.publishing import Body
from luigi_tasks.gateways.objects import (
    DAMAGED_MEND,
    ChecksumRefused,
    CutShort,
    Facts,
    NoConditions,
    ObjectDamaged,
    ObjectHead,
    ObjectMissing,
    Put,
    StoreUnavailable,
    checked_key,
    put_in_bucket,
)
from luigi_tasks.gateways.s3_put import Elsewhere, Puts
from luigi_tasks.gateways.s3_wire import CONNECT_SECONDS
from luigi_tasks.gateways.store_reads import read_whole
from luigi_tasks.settings import Settings

if TYPE_CHECKING:
    from botocore.session import Session
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

TAKEN = {"PreconditionFailed", "412", "ConditionalRequestConflict"}
MISSING = {"404", "NoSuchKey", "NotFound"}
KEEPS = {"AccessDenied", "403", "NotImplemented", "501", "MethodNotAllowed", "405"}
NO_CONDITIONS = {"NotImplemented", "501"}
# Refused as 4xx although the same call may succeed the next time.
PASSING = {"RequestTimeout", "IncompleteBody", "SlowDown", "OperationAborted"}
WRONG_CHECKSUM = {"BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"}
PASSING_STATUS = {408, 409, 425, 429}
CONNECTION_LOST = (NoConnection, HTTPClientError, IncompleteReadError)
MENDS = {
    "NoSuchBucket": "Create the bucket or correct BUCKET_NAME.",
    "404": "Create the bucket or correct BUCKET_NAME.",
    "RequestTimeTooSkewed": "Set this machine's clock.",
    "ExpiredToken": "Renew the AWS session.",
    "PermanentRedirect": "Set AWS_DEFAULT_REGION to the bucket's region.",
    "301": "Set AWS_DEFAULT_REGION to the bucket's region.",
}
CREDENTIALS_MEND = "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY or AWS_PROFILE, and that they may write here."
ENDPOINT_MEND = "Check S3_ENDPOINT_URL and the network."


class S3Store:
    """An ObjectStore on a bucket. Safe to share between threads."""

    def __init__(self, settings: Settings, bucket: str) -> None:
        self.bucket = bucket
        self._where = f"bucket {bucket} at {settings.s3_endpoint or 'AWS'}"
        with self._telling("open"):
            self._session, self._client = _client(settings)
        self._connections = max(16, settings.upload_concurrency)
        self._read_timeout = settings.s3_read_timeout_seconds

    def put_if_absent(
        self, key: str, body: Body, *, content_type: str, sha256: str, metadata: Mapping[str, str]
    ) -> Put:
        facts = Facts(content_type=content_type, sha256=sha256, metadata=metadata)
        return put_in_bucket(self, self._where, key, body, facts)

    def create(self, key: str, body: Body, *, content_type: str, sha256: str, metadata: Mapping[str, str]) -> bool:
        try:
            self._put(key, body, content_type, sha256, metadata, create_only=True)
        except ClientError as problem:
            if _code(problem) in TAKEN:
                return False
            if _code(problem) in NO_CONDITIONS:
                raise NoConditions(f"put {key}: {_code(problem)}", where=self._where) from None
            raise self._told(problem, f"put {key}") from None
        except BotoCoreError as problem:
            raise self._told(problem, f"put {key}") from None
        return True

    def replace(self, key: str, body: Body, *, content_type: str, sha256: str, metadata: Mapping[str, str]) -> None:
        with self._telling(f"put {key}"):
            self._put(key, body, content_type, sha256, metadata, create_only=False)

    def get(self, key: str) -> bytes:
        return read_whole(lambda: self._read(key))

    def _read(self, key: str) -> bytes:
        with self._telling(f"get {key}"):
            response = self._client.get_object(Bucket=self.bucket, Key=checked_key(key), ChecksumMode="ENABLED")
            with contextlib.closing(response["Body"]) as stream:
                try:
                    return stream.read()
                except (*CONNECTION_LOST, HTTPError) as problem:
                    what = f"get {key}: {type(problem).__name__}"
                    raise CutShort(what, where=self._where, mend=ENDPOINT_MEND) from None

    def head(self, key: str) -> ObjectHead | None:
        try:
            with self._telling(f"head {key}"):
                said = self._client.head_object(Bucket=self.bucket, Key=checked_key(key), ChecksumMode="ENABLED")
        except ObjectMissing:
            return None
        return ObjectHead(
            key, said["ContentLength"], said.get("ContentType"), _vouched_sha256(said), said.get("Metadata", {})
        )

    def list(self, prefix: str) -> Iterator[ObjectHead]:
        with self._telling(f"list {prefix}"):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                for entry in page.get("Contents", ()):
                    yield ObjectHead(entry["Key"], entry["Size"])

    def remove(self, key: str) -> None:
        with self._telling(f"remove {key}"):
            self._client.delete_object(Bucket=self.bucket, Key=checked_key(key))

    def remove_versions(self, key: str) -> bool:
        """Needs s3:ListBucketVersions and s3:DeleteObjectVersion; a version under a lock or a hold stays."""
        try:
            pages = self._client.get_paginator("list_object_versions").paginate(
                Bucket=self.bucket, Prefix=checked_key(key)
            )
            found = [
                (entry["LastModified"], entry["VersionId"])
                for page in pages
                for entry in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
                if entry["Key"] == key
            ]
            for _, version in sorted(found):
                self._client.delete_object(Bucket=self.bucket, Key=key, VersionId=version)
        except ClientError as problem:
            if _code(problem) in KEEPS:
                return False
            raise self._told(problem, f"remove the versions of {key}") from None
        except BotoCoreError as problem:
            raise self._told(problem, f"remove the versions of {key}") from None
        return True

    def leftovers(self) -> Iterator[str]:
        """None: a PUT is whole or nothing, and no upload of ours has parts."""
        return iter(())

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    def check(self) -> None:
        """HEAD of the bucket: reachable, there, and ours to read. A missing right to write shows at the first put."""
        with self._telling("check"):
            self._client.head_bucket(Bucket=self.bucket)

    def _put(
        self, key: str, body: Body, content_type: str, sha256: str, metadata: Mapping[str, str], *, create_only: bool
    ) -> None:
        try:
            self._puts.put(
                checked_key(key),
                body,
                content_type=content_type,
                sha256=sha256,
                metadata=metadata,
                create_only=create_only,
            )
        except Elsewhere:
            condition: dict[str, str] = {"IfNoneMatch": "*"} if create_only else {}
            self._client.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=bytes(body),
                ContentType=content_type,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=base64.b64encode(bytes.fromhex(sha256)).decode(),
                Metadata=dict(metadata),
                **condition,  # type: ignore[arg-type]
            )

    @functools.cached_property
    def _puts(self) -> Puts:
        """Made at the first put: whoever only reads needs no right to sign."""
        address = self._client.generate_presigned_url("put_object", Params={"Bucket": self.bucket, "Key": "x"})
        base = address.partition("?")[0].removesuffix("x")
        return Puts(self._session, base, self._client.meta.region_name, self._connections, self._read_timeout)

    @contextlib.contextmanager
    def _telling(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (ClientError, BotoCoreError) as problem:
            raise self._told(problem, doing) from None

    def _told(self, problem: ClientError | BotoCoreError, doing: str) -> StoreError:
        """Our error for theirs. Only codes and class names are passed on: messages may carry addresses and key ids."""
        if not isinstance(problem, ClientError):
            return self._told_of_driver(problem, doing)
        code, status = _code(problem), _status(problem)
        what = f"{doing}: {code}"
        if code in WRONG_CHECKSUM:
            return ChecksumRefused(what, where=self._where)
        if code in MISSING and doing.startswith(("get ", "head ")):
            return ObjectMissing("there is no such object", where=f"{doing.partition(' ')[2]} in {self._where}")
        if code in PASSING or status >= 500 or status in PASSING_STATUS:
            return StoreUnavailable(what, where=self._where)
        return StoreError(what, where=self._where, mend=MENDS.get(code, CREDENTIALS_MEND))

    def _told_of_driver(self, problem: BotoCoreError, doing: str) -> StoreError:
        name = type(problem).__name__
        if isinstance(problem, FlexibleChecksumError):
            return ObjectDamaged(f"{doing}: not the bytes of its checksum", where=self._where, mend=DAMAGED_MEND)
        if isinstance(problem, CONNECTION_LOST):
            return StoreUnavailable(f"{doing}: {name}", where=self._where, mend=ENDPOINT_MEND)
        return StoreError(f"{doing}: {name}", where=self._where, mend=CREDENTIALS_MEND)


def _client(settings: Settings) -> tuple[Session, S3Client]:
    """Credentials from the settings where they are set, else from boto3's own chain."""
    secret, token = settings.aws_secret_access_key, settings.aws_session_token
    session = boto3.Session(
        aws_access_key_id=settings.aws_access_key_id,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
        aws_session_token=token.get_secret_value() if token else None,
        region_name=settings.aws_default_region,
        profile_name=settings.aws_profile,
    )
    # Some region is needed to sign; a server that is not AWS's does not care which.
    region = session.region_name or ("us-east-1" if settings.s3_endpoint else None)
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 4},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=settings.s3_read_timeout_seconds,
        max_pool_connections=max(16, settings.upload_concurrency),
        s3={"addressing_style": "path" if settings.s3_force_path_style else "auto"},
        request_checksum_calculation="when_required",
        user_agent_extra=f"{PROJECT}/{CODE_VERSION}",
    )
    client = session.client("s3", endpoint_url=settings.s3_endpoint, region_name=region, config=config)
    return session._session, client  # boto3 has no public way to its session of botocore


def _code(problem: ClientError) -> str:
    return str(problem.response.get("Error", {}).get("Code", "unknown"))


def _status(problem: ClientError) -> int:
    return int(problem.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _vouched_sha256(said: HeadObjectOutputTypeDef) -> str | None:
    """The whole object's SHA-256 in hex. That of a multipart object (`…-3`) is over its parts, so it tells nothing."""
    encoded = said.get("ChecksumSHA256")
    if not encoded or "-" in encoded:
        return None
    return base64.b64decode(encoded).hex()
