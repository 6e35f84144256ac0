"""Our signature is the one that botocore's signer makes."""

from __future__ import annotations

import datetime
import hashlib

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from luigi_tasks.gateways.signing import encoded_key, signed

MOMENT = datetime.datetime(2026, 11, 21, 7, 30, 5, tzinfo=datetime.UTC)
HASH = hashlib.sha256(b"body").hexdigest()


class Theirs(S3SigV4Auth):
    """botocore's signer of a body whose hash is known."""

    def payload(self, request: AWSRequest) -> str:
        return HASH


@pytest.mark.parametrize("token", [None, "session/token=="])
@pytest.mark.parametrize("key", ["wallpapers/a1b2c3.jpg", "odd/ü &+=~.png", "a:b@c'(d)*!,;$.jpg"])
def test_the_signature_is_that_of_botocore(monkeypatch: pytest.MonkeyPatch, key: str, token: str | None) -> None:
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: MOMENT.replace(tzinfo=None))
    url = f"http://127.0.0.1:9000/bucket/{encoded_key(key)}"
    headers = {"Content-Type": "image/jpeg", "If-None-Match": "*", "x-amz-meta-source-url": "https://x/  y"}
    credentials = Credentials("AKIAEXAMPLE", "secret/key", token)
    request = AWSRequest("PUT", url, headers=headers)
    Theirs(credentials, "s3", "eu-west-1").add_auth(request)
    ours = signed("PUT", url, headers, HASH, credentials.get_frozen_credentials(), "eu-west-1", MOMENT)
    assert ours["Authorization"].replace(", ", ",") == request.headers["Authorization"].replace(", ", ",")
    assert ours["X-Amz-Content-SHA256"] == HASH
    assert ours.get("X-Amz-Security-Token") == token
