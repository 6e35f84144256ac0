"""The download of an archive: with the token to its host alone, resumed, checked, not repeated."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from luigi_tasks.domain.errors import SourceError, SourceRefused, SourceUnreachable
from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways.kaggle_download import Download
from luigi_tasks.settings import Settings
from twin import Catalogue, Fault, Twin
from twin.kaggle import DATASET, KEY, USER, Kaggle


@pytest.fixture
def twin() -> Iterator[Twin]:
    with Twin(Catalogue([]), sites=[Kaggle(50)]) as running:
        yield running


def settings(twin: Twin, tmp_path: Path, **different: object) -> Settings:
    own = {"kaggle_api_url": twin.site_url("kaggle"), "kaggle_file_hosts": twin.image_host, "draenei_home": tmp_path}
    token = {"kaggle_username": USER, "kaggle_key": KEY, "kaggle_config_dir": tmp_path / "none"}
    return Settings(_env_file=None, **{**own, **token, **different})


def fetch(twin: Twin, tmp_path: Path, **different: object) -> Path:
    return Download(settings(twin, tmp_path, **different), DATASET, tmp_path / "archives", Silent()).attempt()


def file_requests(twin: Twin) -> list[dict[str, str]]:
    return [dict(request.headers) for request in twin.requests if "/files/" in request.path]


def test_the_whole_archive_and_the_second_time_nothing(twin: Twin, tmp_path: Path) -> None:
    path = fetch(twin, tmp_path)
    assert path.read_bytes() == twin.sites["kaggle"].archive
    before = path.stat().st_mtime_ns
    assert fetch(twin, tmp_path) == path
    assert path.stat().st_mtime_ns == before
    assert [headers.get("if-none-match", "")[:1] for headers in file_requests(twin)] == ["", '"']
    assert not any("authorization" in headers for headers in file_requests(twin))


def test_it_goes_on_where_it_stopped(twin: Twin, tmp_path: Path) -> None:
    whole = twin.sites["kaggle"].archive
    twin.faults.add(Fault("truncate", "site", after=1, times=1))
    with pytest.raises(SourceUnreachable):
        fetch(twin, tmp_path)
    (part,) = (tmp_path / "archives").glob("*.part")
    have = part.stat().st_size
    assert 0 < have < len(whole)
    assert part.read_bytes() == whole[:have]
    assert fetch(twin, tmp_path).read_bytes() == whole
    assert file_requests(twin)[-1]["range"] == f"bytes={have}-"


def test_a_part_of_another_version_is_thrown_away(twin: Twin, tmp_path: Path) -> None:
    folder = tmp_path / "archives"
    folder.mkdir()
    name = f"{DATASET.replace('/', '--')}.zip.part"
    (folder / name).write_bytes(b"of another version")
    (folder / f"{name}.json").write_text(json.dumps({"etag": '"other"'}))
    assert fetch(twin, tmp_path).read_bytes() == twin.sites["kaggle"].archive


def test_damage_on_the_way_is_found(twin: Twin, tmp_path: Path) -> None:
    site = twin.sites["kaggle"]
    whole = site.archive
    path = tmp_path / "archives" / f"{DATASET.replace('/', '--')}.zip.part"
    path.parent.mkdir()
    path.write_bytes(b"X" * 100)
    etag = hashlib.md5(whole, usedforsecurity=False).hexdigest()
    path.with_name(f"{path.name}.json").write_text(json.dumps({"etag": f'"{etag}"'}))
    with pytest.raises(SourceUnreachable, match="not what its checksum says"):
        fetch(twin, tmp_path)
    assert fetch(twin, tmp_path).read_bytes() == whole


def test_without_a_token_or_with_a_wrong_one_the_way_is_said(twin: Twin, tmp_path: Path) -> None:
    for token in ({"kaggle_username": None, "kaggle_key": None}, {"kaggle_key": "wrong"}):
        with pytest.raises(SourceRefused, match=r"KAGGLE_USERNAME and KAGGLE_KEY") as raised:
            fetch(twin, tmp_path, **token)
        assert "wrong" not in str(raised.value)


def test_the_token_file_is_read(twin: Twin, tmp_path: Path) -> None:
    (tmp_path / "kaggle.json").write_text(json.dumps({"username": USER, "key": KEY}))
    nothing = {"kaggle_username": None, "kaggle_key": None, "kaggle_config_dir": tmp_path}
    assert fetch(twin, tmp_path, **nothing).exists()


def test_another_host_is_not_followed(twin: Twin, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="KAGGLE_FILE_HOSTS"):
        fetch(twin, tmp_path, kaggle_file_hosts="storage.googleapis.com")
    assert file_requests(twin) == []


def test_more_than_allowed_is_not_received(twin: Twin, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="KAGGLE_MAX_BYTES"):
        fetch(twin, tmp_path, kaggle_max_bytes=1000)
