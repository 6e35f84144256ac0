# ruff: noqa: F811
"""What is S3's alone: conditions, lost replies, credentials, and words for what goes wrong."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from luigi_tasks.domain.errors import StoreError
from luigi_tasks.gateways.objects import Put, StoreUnavailable, open_store
from luigi_tasks.gateways.s3_store import S3Store
from luigi_tasks.settings import Settings
from tests.contracts.store_fixtures import BODY, KEY, OTHER, SECRET, Bucket, Wsgi, bucket, put, sha256  # noqa: F401


def test_a_put_is_conditional_and_carries_its_checksum(bucket: Bucket) -> None:
    bucket.app.requests.clear()
    put(bucket.store)
    (request,) = bucket.app.requests
    assert request["REQUEST_METHOD"] == "PUT"
    assert request["HTTP_IF_NONE_MATCH"] == "*"
    assert request["HTTP_X_AMZ_CHECKSUM_SHA256"]
    assert "draenei-collector/" in request["HTTP_USER_AGENT"]


def test_a_lost_reply_that_boto_repeats_counts_as_stored(bucket: Bucket) -> None:
    replies = [True, False]

    def lose_the_first(environ: dict[str, Any], start_response: Wsgi) -> object:
        answer = bucket.app.app(environ, start_response)
        if environ["REQUEST_METHOD"] == "PUT" and replies.pop(0):
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        return answer

    bucket.app.answer = lose_the_first
    assert put(bucket.store) == Put(created=False, sha256=sha256(BODY))
    assert replies == []


def test_an_object_without_checksum_is_compared_by_its_bytes(bucket: Bucket) -> None:
    bucket.client.put_object(Bucket=bucket.store.bucket, Key=KEY, Body=OTHER)
    head = bucket.store.head(KEY)
    assert head is not None
    assert head.sha256 is None
    assert put(bucket.store) == Put(created=False, sha256=sha256(OTHER))


def refuse(status: str, code: str) -> Wsgi:
    def answer(environ: dict[str, str], start_response: Callable[..., object]) -> object:
        body = f"<Error><Code>{code}</Code><Message>{SECRET}</Message></Error>".encode()
        start_response(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    return answer


@pytest.mark.parametrize(
    ("status", "code", "mend"),
    [
        ("403 Forbidden", "InvalidAccessKeyId", "AWS_ACCESS_KEY_ID"),
        ("403 Forbidden", "AccessDenied", "AWS_PROFILE"),
        ("400 Bad Request", "ExpiredToken", "Renew"),
        ("403 Forbidden", "RequestTimeTooSkewed", "clock"),
        ("404 Not Found", "NoSuchBucket", "BUCKET_NAME"),
    ],
)
def test_what_needs_a_person_is_for_good_and_says_what_to_do(bucket: Bucket, status: str, code: str, mend: str) -> None:
    bucket.app.answer = refuse(status, code)
    with pytest.raises(StoreError, match=mend) as raised:
        put(bucket.store)
    assert not isinstance(raised.value, StoreUnavailable)
    assert code in str(raised.value)
    assert SECRET not in repr(raised.value) + str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    ("status", "code"),
    [("503 Slow Down", "SlowDown"), ("400 Bad Request", "BadDigest"), ("500 Internal Server Error", "InternalError")],
)
def test_what_may_pass_is_unavailable(bucket: Bucket, status: str, code: str) -> None:
    bucket.app.answer = refuse(status, code)
    with pytest.raises(StoreUnavailable, match=code):
        put(bucket.store)


def test_a_conflicting_writer_who_has_not_finished_is_unavailable(bucket: Bucket) -> None:
    conflict = refuse("409 Conflict", "ConditionalRequestConflict")
    bucket.app.answer = lambda environ, start: (conflict if environ["REQUEST_METHOD"] == "PUT" else bucket.app.app)(
        environ, start
    )
    with pytest.raises(StoreUnavailable, match="another writer"):
        put(bucket.store)


def test_a_server_without_conditional_put_gets_head_then_put(bucket: Bucket) -> None:
    unable = refuse("501 Not Implemented", "NotImplemented")
    bucket.app.answer = lambda environ, start: (unable if "HTTP_IF_NONE_MATCH" in environ else bucket.app.app)(
        environ, start
    )
    assert put(bucket.store) == Put(created=True, sha256=sha256(BODY))
    assert put(bucket.store, OTHER) == Put(created=False, sha256=sha256(BODY))
    assert bucket.store.get(KEY) == BODY


def test_a_bucket_that_is_not_there_fails_the_check(bucket: Bucket) -> None:
    with pytest.raises(StoreError, match="Create the bucket"):
        S3Store(bucket.settings, "nobody-made-this").check()


def test_nobody_listening_fails_the_check(bucket: Bucket) -> None:
    settings = bucket.settings_of("b", s3_endpoint_url="http://127.0.0.1:9")
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:9.*S3_ENDPOINT_URL"):
        S3Store(settings, "b").check()


def test_a_missing_profile_is_said(bucket: Bucket) -> None:
    settings = bucket.settings_of("b", aws_profile="nobody", aws_access_key_id=None, aws_secret_access_key=None)
    with pytest.raises(StoreError, match="AWS_PROFILE"):
        S3Store(settings, "b")


def test_credentials_come_from_botos_own_chain_when_none_are_set(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from-the-chain")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    settings = Settings(_env_file=None).model_copy(
        update={"s3_endpoint_url": bucket.endpoint, "aws_access_key_id": None, "aws_secret_access_key": None}
    )
    bucket.app.requests.clear()
    S3Store(settings, bucket.store.bucket).check()
    assert "from-the-chain/" in bucket.app.requests[0]["HTTP_AUTHORIZATION"]


def test_the_settings_choose_the_store(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    assert open_store(bucket.settings).uri("a") == f"s3://{bucket.store.bucket}/a"
    folder = open_store(Settings(draenei_home=tmp_path))
    assert folder.uri("a") == (tmp_path / "objects/a").as_uri()
    assert boto3.DEFAULT_SESSION is None, "no credentials are kept where other code would find them"
