"""What every object store promises, held against the folder, an S3 API and Google's JSON API."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from luigi_tasks.domain.errors import StoreError
from luigi_tasks.gateways.folder_store import FolderStore
from luigi_tasks.gateways.objects import (
    ObjectDamaged,
    ObjectHead,
    ObjectMissing,
    ObjectStore,
    Put,
    StoreUnavailable,
    open_store,
)
from luigi_tasks.gateways.s3_store import S3Store
from luigi_tasks.settings import Settings
from tests.contracts.given_server import IS_GIVEN, given_bucket
from tests.gcs_double import gcs_double
from tests.s3_double import Server, s3_double

BODY = os.urandom(100_000)
OTHER = os.urandom(100_000)
METADATA = {"wallhaven-id": "abc123", "source-url": "https://w.wallhaven.cc/full/ab/x.jpg?a=1"}
KEY = "wallpapers/abc123.jpg"
SECRET = "canary-secret-access-key"
TOO_LONG = ("x" * 256, "x/" * 600 + "x")
Wsgi = Callable[..., object]


class Serial:
    """One request at a time: moto looks and then writes, where S3 does both as one."""

    def __init__(self, app: Wsgi) -> None:
        self.app, self.lock = app, threading.Lock()
        self.requests: list[dict[str, str]] = []
        self.answer: Wsgi | None = None

    def __call__(self, environ: dict[str, Any], start_response: Wsgi) -> object:
        with self.lock:
            self.requests.append({name: value for name, value in environ.items() if isinstance(value, str)})
            return (self.answer or self.app)(environ, start_response)


@contextlib.contextmanager
def s3_server() -> Iterator[tuple[str, Serial]]:
    app = Serial(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}", app
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Bucket:
    """An S3 store on a bucket of its own, and the server behind it."""

    def __init__(self, endpoint: str, app: Serial, name: str) -> None:
        self.endpoint, self.app = endpoint, app
        self.settings = self.settings_of(name)
        self.store = S3Store(self.settings, name)
        self.client = self.store._client
        self.client.create_bucket(Bucket=name)

    def settings_of(self, name: str, **different: object) -> Settings:
        given = {
            "bucket_name": name,
            "s3_endpoint_url": self.endpoint,
            "s3_force_path_style": True,
            "aws_access_key_id": "canary-key-id",
            "aws_secret_access_key": SECRET,
            "aws_default_region": "us-east-1",
        }
        return Settings(**{**given, **different})


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Bucket]:
    name = "b" + hashlib.md5(str(tmp_path).encode()).hexdigest()
    with s3_server() as (endpoint, app):
        yield Bucket(endpoint, app, name)


@pytest.fixture
def double() -> Iterator[Server]:
    with s3_double() as server:
        yield server


@pytest.fixture(params=[s3_double, gcs_double])
def either_double(request: pytest.FixtureRequest) -> Iterator[Server]:
    with request.param() as server:
        yield server


@pytest.fixture
def google() -> Iterator[Server]:
    with gcs_double() as server:
        yield server


@pytest.fixture(params=["folder", "s3", "double", "google", *(["given"] if IS_GIVEN else [])])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ObjectStore]:
    if request.param == "folder":
        yield FolderStore(tmp_path / "objects")
    elif request.param == "given":
        with given_bucket() as real:
            yield real
    elif request.param == "s3":
        found: Bucket = request.getfixturevalue("bucket")
        yield found.store
    else:
        server: Server = request.getfixturevalue(request.param)
        yield server.store()


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def vouched(head: ObjectHead, body: bytes) -> str | None:
    """The SHA-256 that the store tells. One that was given may keep none: Ceph's gateway 16 does not."""
    return head.sha256 or (sha256(body) if IS_GIVEN else None)


def put(store: ObjectStore, body: bytes = BODY, key: str = KEY, kind: type = bytes) -> Put:
    return store.put_if_absent(key, kind(body), content_type="image/jpeg", sha256=sha256(body), metadata=METADATA)


@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_what_was_put_is_there_with_all_that_was_said_of_it(store: ObjectStore, kind: type) -> None:
    assert put(store, kind=kind) == Put(created=True, sha256=sha256(BODY))
    assert store.get(KEY) == BODY
    head = store.head(KEY)
    assert head is not None
    assert (head.key, head.size, head.content_type) == (KEY, len(BODY), "image/jpeg")
    assert vouched(head, BODY) == sha256(BODY)
    assert dict(head.metadata) == METADATA


def test_the_same_bytes_again_create_nothing(store: ObjectStore) -> None:
    put(store)
    assert put(store) == Put(created=False, sha256=sha256(BODY))
    assert [head.key for head in store.list("")] == [KEY]


def test_other_bytes_are_reported_and_never_written(store: ObjectStore) -> None:
    put(store)
    assert put(store, OTHER) == Put(created=False, sha256=sha256(BODY))
    head = store.head(KEY)
    assert store.get(KEY) == BODY
    assert head is not None
    assert vouched(head, BODY) == sha256(BODY)


def test_of_sixteen_at_once_exactly_one_creates(store: ObjectStore) -> None:
    bodies = [os.urandom(50_000) for _ in range(16)]
    gate = threading.Barrier(16)

    def race(body: bytes) -> Put:
        gate.wait()
        return put(store, body)

    with ThreadPoolExecutor(16) as pool:
        puts = list(pool.map(race, bodies))
    winners = [body for body, done in zip(bodies, puts, strict=True) if done.created]
    assert len(winners) == 1
    assert {done.sha256 for done in puts} == {sha256(winners[0])}
    head = store.head(KEY)
    assert store.get(KEY) == winners[0]
    assert head is not None
    assert vouched(head, winners[0]) == sha256(winners[0])
    if isinstance(store, FolderStore):
        assert files_of(store.root) == [f".meta/{KEY}/{head.sha256}.json", KEY], "nothing of the losers is left"


def test_what_is_missing_is_said_to_be(store: ObjectStore) -> None:
    put(store)
    assert store.head("wallpapers") is None
    assert store.head("wallpapers/zzz.jpg") is None
    with pytest.raises(ObjectMissing, match=r"zzz\.jpg"):
        store.get("wallpapers/zzz.jpg")


def test_a_listing_has_every_object_of_the_prefix_in_order(store: ObjectStore) -> None:
    keys = ["raw/a/1.gz", "raw/b", "wallpapers/a.jpg", "wallpapers/ab.jpg", "wallpapers/b.png"]
    for key in reversed(keys):
        put(store, key.encode(), key)
    assert [(head.key, head.size) for head in store.list("")] == [(key, len(key)) for key in keys]
    assert [head.key for head in store.list("wallpapers/a")] == keys[2:4]
    assert [head.key for head in store.list("raw/")] == keys[:2]
    assert list(store.list("nothing/")) == []


@pytest.mark.parametrize(
    "key",
    ["", "/", "/a", "a/", "a//b", "../a", "a/../b", "./a", ".meta/a", "a/.tmp", "a\\b", "a\0b", "a\nb", *TOO_LONG],
)
def test_what_is_no_key_is_refused(store: ObjectStore, key: str) -> None:
    for call in (lambda: put(store, key=key), lambda: store.get(key), lambda: store.head(key)):
        with pytest.raises(StoreError, match="no object key"):
            call()


def test_a_usable_store_passes_its_check_and_nothing_stays(store: ObjectStore) -> None:
    store.check()
    assert list(store.list("")) == []


def test_the_address_names_the_object(store: ObjectStore) -> None:
    assert store.uri(KEY).startswith(("file:///", "s3://", "gs://"))
    assert store.uri(KEY).endswith(KEY)


# the strict doubles: faults on demand


@pytest.mark.parametrize("kind", ["lost_reply", "after_500"])
def test_a_put_that_was_committed_and_not_confirmed_is_ours_and_there_once(either_double: Server, kind: str) -> None:
    either_double.state.fault(kind)
    assert put(either_double.store()) == Put(created=False, sha256=sha256(BODY))
    assert either_double.state.puts() == {KEY: 1}


def test_a_body_cut_short_is_unavailable_and_never_taken_for_the_object(either_double: Server) -> None:
    store = either_double.store()
    put(store)
    either_double.state.fault("truncated", "GET", times=9)
    either_double.state.requests.clear()
    with pytest.raises(StoreUnavailable):
        store.get(KEY)
    assert len(either_double.state.requests) == 4


@pytest.mark.parametrize("kind", ["truncated", "reset", "garbled"])
def test_what_breaks_off_or_arrives_damaged_once_is_read_again(either_double: Server, kind: str) -> None:
    store = either_double.store()
    put(store)
    either_double.state.fault(kind, "GET")
    either_double.state.requests.clear()
    assert store.get(KEY) == BODY
    assert [method for method, _ in either_double.state.requests] == ["GET", "GET"]


def test_a_listing_cut_short_is_read_again(either_double: Server) -> None:
    store = either_double.store()
    put(store)
    either_double.state.fault("truncated", "GET", prefix="")
    assert [head.key for head in store.list("")] == [KEY]


def test_reads_again_come_to_an_end_and_an_object_damaged_in_the_store_is_called_so(either_double: Server) -> None:
    store = either_double.store()
    put(store)
    either_double.state.fault("garbled", "GET", times=9)
    either_double.state.requests.clear()
    with pytest.raises(ObjectDamaged, match="Two reads say so"):
        store.get(KEY)
    assert len(either_double.state.requests) == 2


@pytest.mark.parametrize(("kind", "mend"), [("denied", "AWS_PROFILE"), ("skewed", "clock"), ("expired", "Renew")])
def test_credentials_and_clock_need_a_person(double: Server, kind: str, mend: str) -> None:
    double.state.fault(kind, times=9)
    with pytest.raises(StoreError, match=mend) as raised:
        put(double.store())
    assert not isinstance(raised.value, StoreUnavailable)
    assert double.state.puts() == {}


# the folder alone


def files_of(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_a_folder_holds_the_object_its_description_and_nothing_else(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    put(store)
    put(store, OTHER)
    assert files_of(tmp_path) == [f".meta/{KEY}/{sha256(BODY)}.json", KEY]


def test_an_object_without_description_is_still_an_object(tmp_path: Path) -> None:
    (tmp_path / "wallpapers").mkdir()
    (tmp_path / KEY).write_bytes(BODY)
    store = FolderStore(tmp_path)
    head = store.head(KEY)
    assert head is not None
    assert (head.size, head.content_type, head.sha256) == (len(BODY), "image/jpeg", None)
    assert put(store) == Put(created=False, sha256=sha256(BODY))


def test_a_description_left_by_a_killed_writer_of_other_bytes_misleads_nobody(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    sidecar = tmp_path / ".meta" / KEY / f"{'0' * 64}.json"
    sidecar.parent.mkdir(parents=True)
    sidecar.write_text('{"content_type": "image/png", "metadata": {}}')
    put(store)
    head = store.head(KEY)
    assert head is not None
    assert (head.content_type, head.sha256) == ("image/jpeg", sha256(BODY))


WRITER = """
    import os, signal, sys
    from pathlib import Path
    from luigi_tasks.gateways.folder_store import FolderStore
    with FolderStore(Path(sys.argv[1]))._temporary_file() as (descriptor, path):
        os.write(descriptor, b"half a picture")
        print(path.name, flush=True)
        signal.pause()
"""


def test_files_of_killed_writers_are_swept_and_those_of_living_ones_are_not(tmp_path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(tmp_path)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as killed,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as living,
    ):
        try:
            left, kept = killed.stdout.readline().strip(), living.stdout.readline().strip()
            killed.kill()
            killed.wait()
            assert {path.name for path in (tmp_path / ".tmp").iterdir()} == {left, kept}
            FolderStore(tmp_path).check()
            assert [path.name for path in (tmp_path / ".tmp").iterdir()] == [kept]
        finally:
            living.kill()


def test_a_folder_that_cannot_be_written_says_where_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "objects").write_text("a file where the folder should be")
    store = FolderStore(tmp_path / "objects")
    for call in (store.check, lambda: put(store)):
        with pytest.raises(StoreError, match=r"objects.*Check the permissions"):
            call()


# S3 alone


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


def test_the_settings_choose_the_store(bucket: Bucket, tmp_path: Path) -> None:
    assert open_store(bucket.settings).uri("a") == f"s3://{bucket.store.bucket}/a"
    folder = open_store(Settings(draenei_home=tmp_path))
    assert folder.uri("a") == (tmp_path / "objects/a").as_uri()
    assert boto3.DEFAULT_SESSION is None, "no credentials are kept where other code would find them"
