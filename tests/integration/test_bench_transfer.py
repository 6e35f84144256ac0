"""The benchmark of the transfer measures what it says: a few tiny pictures through the whole of it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
import urllib3
from PIL import Image

from benchmarks.transfer import __main__ as transfer
from benchmarks.transfer import arena, bench, pictures, tls
from benchmarks.transfer.network import Link
from benchmarks.transfer.pictures import Picture, offered
from luigi_tasks.domain.publishing import PictureError
from luigi_tasks.gateways.download import Downloader
from luigi_tasks.settings import Settings
from tests.rooms import AnyRoom

TOOLS = ["the seed's way", *(["curl", "curl, one a core"] if shutil.which("curl") else [])]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A JPEG and a PNG."""
    folder = tmp_path / "images"
    folder.mkdir()
    with Image.effect_noise((64, 48), 40) as noise:
        noise.save(folder / "one.jpg")
        noise.save(folder / "two.png")
    return folder


def test_no_two_pictures_are_the_same_bytes_and_all_decode(images: Path) -> None:
    bodies = [body for _, body in offered(pictures.kinds(images), 6)]
    assert len(set(bodies)) == 6
    pixels = set()
    for body in bodies:
        with Image.open(io.BytesIO(body)) as image:
            image.load()
            pixels.add((image.format, image.tobytes()))
    assert len(pixels) == 2, "the same pixels as those that were given"


def test_a_picture_counts_under_its_own_key_alone(images: Path) -> None:
    one, two = (picture for picture, _ in offered(pictures.kinds(images), 2))
    swapped = {one.s3_key: two.sha256, two.s3_key: one.sha256}
    own = {one.s3_key: one.sha256, two.s3_key: two.sha256, "other": "00"}
    assert bench.arrived_right([one, two], own, lambda picture: picture.s3_key) == 2
    assert bench.arrived_right([one, two], swapped, lambda picture: picture.s3_key) == 0
    assert bench.arrived_right([one, two], swapped, None) == 2, "a tool that names what it stores itself"
    assert bench.arrived_right([one, two], {"a": one.sha256, "b": one.sha256}, None) == 1


def test_what_does_not_fit_into_memory_is_refused_with_words(images: Path) -> None:
    with pytest.raises(SystemExit, match=r"need .* GB in /dev/shm.*--small"):
        transfer.check_room(pictures.kinds(images), 10**12)


def test_the_whole_of_it_and_one_picture_that_arrives_wrong(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(kinds: list[pictures.Kind], number: int) -> Iterator[tuple[Picture, bytes]]:
        for index, (picture, body) in enumerate(offered(kinds, number)):
            yield picture, body if index else body[:-1] + b"\0"

    monkeypatch.setattr(pictures, "offered", damaged)
    monkeypatch.setattr(bench, "SLACK_BYTES", 1 << 20)
    page, only = tmp_path / "page.md", [word for tool in TOOLS for word in ("--only", tool)]
    options = ["--images", str(images), "--pictures", "4", "--rounds", "1", "--fail-on-regression"]
    assert transfer.main([*options, *only, "--page", str(page), "--history", str(tmp_path / "history")]) == 0
    (history,) = (tmp_path / "history").glob("transfer-*.json")
    document = json.loads(history.read_text())
    arrived = {one["tool"]: (one["right"], one["pictures"], one["code"]) for one in document["results"]}
    assert arrived == dict.fromkeys(TOOLS, (3, 4, 0))
    assert document["offered"] == {"pictures": 4, "bodies": "images"}
    assert dict(document["machine"]["versions"]).keys() == set(TOOLS)
    assert document["decoder"]["pictures/s of CPU"] > 1
    assert page.read_text().count("| 3 of 4 |") == len(TOOLS)
    assert (tmp_path / "images/transfer.svg").read_text().count("<rect") == 1 + len(TOOLS)


def test_a_server_speaks_tls_to_whoever_trusts_its_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pem = tls.certificate(tmp_path)
    ca, body = tls.trusted(pem)["AWS_CA_BUNDLE"], random.Random(1).randbytes(300_000)
    with bench.served(Link(pem=str(pem)), tmp_path / "sink", 1 << 20) as (address, _):
        with pytest.raises(urllib3.exceptions.SSLError), urllib3.PoolManager() as stranger:
            stranger.request("GET", f"{address}/bench/one.jpg", retries=False)
        with urllib3.PoolManager(ca_certs=ca) as known:
            assert known.request("PUT", f"{address}/bench/one.jpg", body=body).status == 200
            assert known.request("GET", f"{address}/bench/one.jpg").data == body
        hosts = Settings(wallhaven_image_hosts=address.removeprefix("https://"), image_timeout_seconds=5)
        with Downloader(hosts) as stranger, pytest.raises(PictureError, match="TLS failed"):
            stranger.fetch_quickly(f"{address}/bench/one.jpg", AnyRoom(len(body)))
        monkeypatch.setenv("SSL_CERT_FILE", ca)  # as docs/operations.md says
        with Downloader(hosts) as ours:
            assert ours.fetch_quickly(f"{address}/bench/one.jpg", AnyRoom(len(body))).body == body
        driver = {"aws_access_key_id": "b", "aws_secret_access_key": "b", "region_name": "us-east-1"}
        with contextlib.closing(boto3.client("s3", endpoint_url=address, verify=ca, **driver)) as s3:
            s3.put_object(Bucket="bench", Key="two", Body=body)  # over TLS its checksum follows: framed twice
        assert arena.stored(tmp_path / "sink") == dict.fromkeys(("one.jpg", "two"), hashlib.sha256(body).hexdigest())
