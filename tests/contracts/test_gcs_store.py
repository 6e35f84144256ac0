"""What is Google's alone: tokens, MD5 beside SHA-256, roles that may not delete, and words for what goes wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from http.server import HTTPServer
from pathlib import Path

import pytest

from luigi_tasks.domain.errors import SettingsError, StoreError
from luigi_tasks.gateways import gcs_api
from luigi_tasks.gateways.gcs_store import GcsStore
from luigi_tasks.gateways.objects import ChecksumRefused, ObjectDamaged, Put, StoreUnavailable, open_store
from luigi_tasks.settings import Settings
from tests.contracts.store_fixtures import BODY, KEY, OTHER, put, sha256
from tests.gcs_double import GcsServer, gcs_double
from tests.loopback import QuietHandler, running
from tests.s3_double import BUCKET, Version


@pytest.fixture
def google() -> Iterator[GcsServer]:
    with gcs_double() as server:
        yield server


def test_the_settings_choose_google(google: GcsServer) -> None:
    store = open_store(Settings(**google.settings()))
    assert isinstance(store, GcsStore)
    assert store.uri("a") == f"gs://{BUCKET}/a"
    assert open_store(Settings(bucket_name="pictures", aws_default_region="eu-central-1")).uri("a") == "s3://pictures/a"
    for wrong in ("gs://bucket/path", "https://bucket", "s3://bucket"):
        with pytest.raises(ValueError, match="gs:// and the name"):
            Settings(bucket_name=wrong)


@pytest.mark.parametrize("key", ["wallpapers/a b+c%2F&?#ä.jpg", "a", "raw/x/'(1).gz"])
def test_a_key_is_the_same_on_both_sides(google: GcsServer, key: str) -> None:
    put(google.store(), key=key)
    assert list(google.state.versions) == [key]
    assert google.store().get(key) == BODY


def test_a_body_like_the_boundary_of_its_upload_stays_whole(google: GcsServer) -> None:
    body = b"\r\n--\r\n--boundary--\r\n" + BODY + b"\r\n--"
    assert put(google.store(), body).created
    assert google.state.versions[KEY][0].body == body


def test_long_listings_have_every_page(google: GcsServer) -> None:
    keys = [f"wallpapers/{number:05}.jpg" for number in range(2001)]
    google.state.versions.update({key: [Version(b"x", "", None, {})] for key in keys})
    assert [head.key for head in google.store().list("wallpapers/")] == keys
    assert sum(method == "GET" for method, _ in google.state.requests) == 3


def test_a_hash_is_vouched_for_only_while_it_is_that_of_the_bytes(google: GcsServer) -> None:
    store = google.store()
    put(store)
    kept = google.state.versions[KEY][0]
    google.state.versions[KEY] = [Version(OTHER, kept.content_type, None, kept.metadata)]
    head = store.head(KEY)
    assert head is not None
    assert head.sha256 is None
    assert put(store) == Put(created=False, sha256=sha256(OTHER))


def test_bytes_that_are_not_those_of_their_checksum_are_damaged(google: GcsServer) -> None:
    put(google.store())
    google.state.versions[KEY] = [Version(OTHER, "image/jpeg", "AAAAAAAAAAAAAAAAAAAAAA==", {})]
    with pytest.raises(ObjectDamaged, match="not the bytes"):
        google.store().get(KEY)


def test_a_wrong_checksum_is_refused_by_the_server_at_once(google: GcsServer) -> None:
    with pytest.raises(ChecksumRefused):
        google.store().create(KEY, BODY, content_type="", sha256=sha256(OTHER), metadata={})
    assert google.state.requests == [("PUT", KEY)], "it was asked, and once"
    assert google.state.versions == {}


def test_a_role_that_may_create_and_not_delete_finds_what_is_there(google: GcsServer) -> None:
    google.creator_only = True
    assert put(google.store()).created
    assert put(google.store(), OTHER) == Put(created=False, sha256=sha256(BODY))
    google.state.fault("denied", times=9)
    with pytest.raises(StoreError, match=r"403 forbidden.*GOOGLE_APPLICATION_CREDENTIALS"):
        put(google.store(), key="wallpapers/new.jpg")


def test_a_bucket_that_is_not_there_fails_the_check(google: GcsServer) -> None:
    with pytest.raises(StoreError, match=r"404 notFound.*BUCKET_NAME") as raised:
        GcsStore(Settings(**google.settings()), "nobody-made-this").check()
    assert not isinstance(raised.value, StoreUnavailable)


def test_nobody_listening_fails_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gcs_api, "TRIES", 1)
    store = GcsStore(Settings(storage_emulator_host="127.0.0.1:9"), BUCKET)
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:9.*STORAGE_EMULATOR_HOST"):
        store.check()


# tokens


class TokenServer(HTTPServer):
    """Google's place to get tokens: refuses or gives one."""

    status = 200
    asked = 0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), TokenHandler)


class TokenHandler(QuietHandler):
    """One request for a token."""

    server: TokenServer

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked += 1
        given = {"access_token": "canary-token", "expires_in": 3600, "token_type": "Bearer"}
        body = json.dumps(given if self.server.status == 200 else {"error": "invalid_grant"}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    with running(TokenServer()) as server:
        yield server


@pytest.fixture
def key_file(tokens: TokenServer, tmp_path: Path) -> Path:
    """A service account's key, made for this test."""
    pytest.importorskip("google.auth", reason="needs the extra gcs: pip install google-auth")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {
        "type": "service_account",
        "client_email": "collector@example.invalid",
        "token_uri": f"http://127.0.0.1:{tokens.server_port}/token",
        "private_key": key.decode(),
    }
    path = tmp_path / "key.json"
    path.write_text(json.dumps(account))
    return path


@pytest.fixture
def signed(google: GcsServer, key_file: Path, monkeypatch: pytest.MonkeyPatch) -> GcsStore:
    """A store that believes it talks to Google itself."""
    monkeypatch.setattr(gcs_api, "GOOGLE", google.endpoint)
    return GcsStore(Settings(google_application_credentials=key_file), BUCKET)


def test_every_request_carries_a_token_that_was_asked_for_once(
    google: GcsServer, tokens: TokenServer, signed: GcsStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login stranger password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    put(signed)
    assert signed.get(KEY) == BODY
    assert google.tokens == ["Bearer canary-token"] * 2
    assert tokens.asked == 1


def test_a_refused_key_needs_a_person_and_tells_no_secret(tokens: TokenServer, signed: GcsStore) -> None:
    tokens.status = 400
    with pytest.raises(StoreError, match=r"no token.*GOOGLE_APPLICATION_CREDENTIALS") as raised:
        signed.check()
    assert not isinstance(raised.value, StoreUnavailable)
    assert "invalid_grant" not in str(raised.value)


def test_a_key_file_that_is_none_is_said_when_the_store_is_opened(tmp_path: Path) -> None:
    pytest.importorskip("google.auth", reason="needs the extra gcs: pip install google-auth")
    with pytest.raises(StoreError, match=r"no credentials.*GOOGLE_APPLICATION_CREDENTIALS"):
        GcsStore(Settings(google_application_credentials=tmp_path / "none.json"), BUCKET)


def test_without_the_library_the_way_to_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.auth", None)
    with pytest.raises(SettingsError, match="pip install"):
        open_store(Settings(bucket_name="gs://pictures"))
