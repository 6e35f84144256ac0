"""A zip of unknown intent: what leads out of it, what is a bomb, what lies about itself."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest

from luigi_tasks.domain.archive import Entry, refusal
from luigi_tasks.domain.errors import SourceError
from luigi_tasks.gateways.archive_file import Archive, CorruptEntry

LARGEST = 10 << 20


def packed(path: Path, **bodies: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, body in bodies.items():
            file.writestr(name, body)
    return path


def opened(path: Path, max_entries: int = 100, max_bytes: int = LARGEST) -> Archive:
    return Archive(path, max_entries, max_bytes)


def entry(name: str = "images/1.jpg", **different: object) -> Entry:
    return Entry(**{"name": name, "size": 100, "packed": 90, "crc32": 1, **different})


@pytest.mark.parametrize(
    "name",
    [
        "../x.jpg",
        "images/../../x.jpg",
        "/etc/passwd",
        "C:/x.jpg",
        "images\\x.jpg",
        "a//b.jpg",
        ".x.jpg",
        "a\x00.jpg",
        "",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    assert refusal(entry(name), LARGEST).startswith("name")


def test_links_encryption_size_and_bombs_are_refused() -> None:
    assert refusal(entry(), LARGEST) == ""
    assert refusal(entry(mode=0o100644), LARGEST) == ""
    assert "link" in refusal(entry(mode=0o120777), LARGEST)
    assert refusal(entry(encrypted=True), LARGEST) == "encrypted"
    assert "IMAGE_MAX_BYTES" in refusal(entry(size=LARGEST + 1, packed=LARGEST), LARGEST)
    assert "times its size" in refusal(entry(size=5 << 20, packed=5000), LARGEST)


def test_more_than_is_allowed_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", a=b"x" * 600, b=b"x" * 600)
    for limits in ((1, LARGEST), (100, 1000)):
        with pytest.raises(SourceError, match="KAGGLE_MAX_ENTRIES or KAGGLE_MAX_BYTES"):
            opened(path, *limits)


@pytest.mark.parametrize("body", [b"", b"no zip", b"PK\x05\x06" + bytes(18)[:10]])
def test_what_is_no_zip_is_refused(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(body)
    with pytest.raises(SourceError, match="no archive"):
        opened(tmp_path / "a.zip")


def test_a_directory_that_lies_about_a_size_gets_no_more_than_it_says(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", bomb=bytes(3 << 20))
    body = bytearray(path.read_bytes())
    central = body.index(b"PK\x01\x02")
    struct.pack_into("<L", body, central + 24, 1000)
    path.write_bytes(body)
    with opened(path) as archive, pytest.raises(CorruptEntry):
        archive.read(archive.entry("bomb"))


def test_a_damaged_entry_is_corrupt_and_the_others_are_read(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", first=bytes(range(256)) * 8, second=b"whole")
    body = bytearray(path.read_bytes())
    body[60] ^= 0xFF
    path.write_bytes(body)
    with opened(path) as archive:
        assert archive.names == ["first", "second"]
        with pytest.raises(CorruptEntry):
            archive.read(archive.entry("first"))
        assert archive.read(archive.entry("second")) == b"whole"


def test_of_two_with_one_name_the_first_counts(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("a", b"first")
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("a", b"second")
    (tmp_path / "a.zip").write_bytes(buffer.getvalue())
    with opened(tmp_path / "a.zip") as archive:
        assert archive.read(archive.entry("a")) == b"first"
