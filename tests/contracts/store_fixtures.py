"""Every object store that a contract is held against, each of its own, and what is put into it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from luigi_tasks.gateways.folder_store import FolderStore
from luigi_tasks.gateways.objects import ObjectHead, ObjectStore, Put
from luigi_tasks.gateways.s3_store import S3Store
from luigi_tasks.settings import Settings
from tests.contracts.given_server import IS_GIVEN, given_bucket
from tests.gcs_double import gcs_double
from tests.loopback import running
from tests.s3_double import Server, s3_double

BODY = os.urandom(100_000)
OTHER = os.urandom(100_000)
METADATA = {"wallhaven-id": "abc123", "source-url": "https://w.wallhaven.cc/full/ab/x.jpg?a=1"}
KEY = "wallpapers/abc123.jpg"
SECRET = "canary-secret-access-key"
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
    with running(server):
        yield f"http://127.0.0.1:{server.port}", app


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


def files_of(root: Path) -> list[str]:
    """Every file below a folder, by its path there."""
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
