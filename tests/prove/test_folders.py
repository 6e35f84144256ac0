"""Proofs keep their files in memory only where both the folder and the machine have room for them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.prove.folders import KEPT_FREE, roomiest


@pytest.fixture
def plenty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("TMPDIR", raising=False)
    return facts(tmp_path, 1 << 50)


def facts(folder: Path, free: int) -> Path:
    said = folder / "meminfo"
    said.write_text(f"MemTotal:  1 kB\nMemAvailable:   {free >> 10} kB\n")
    return said


def test_memory_is_taken_where_there_is_room(plenty: Path, tmp_path: Path) -> None:
    assert roomiest(1, tmp_path, plenty) == str(tmp_path)


def test_the_machine_keeps_some_memory(plenty: Path, tmp_path: Path) -> None:
    just = facts(tmp_path, KEPT_FREE + 4096)
    assert roomiest(4096, tmp_path, just) == str(tmp_path)
    assert roomiest(4097, tmp_path, just) == tempfile.gettempdir()


def test_a_folder_that_is_full_or_missing_is_not_taken(plenty: Path, tmp_path: Path) -> None:
    assert roomiest(1 << 49, tmp_path, plenty) == tempfile.gettempdir()
    assert roomiest(1, tmp_path / "nowhere", plenty) == tempfile.gettempdir()
    assert roomiest(1, tmp_path, tmp_path / "no facts") == tempfile.gettempdir()


def test_who_says_where_is_obeyed(plenty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", tempfile.gettempdir())
    assert roomiest(1, tmp_path, plenty) == tempfile.gettempdir()
