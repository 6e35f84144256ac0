"""What was tried beside the proofs is said only as it was kept, and the document can be read back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.prove import document, tried
from tests.prove.document import Ran
from tests.prove.promises import Guarantee, Registry
from tests.prove.tried import Load, Tried

PATCHES = {"one": "1", "two": "2", "three": "3"}
CAUGHT = Tried("1", "tests/a.py::test_it", "row_has_object", "2026-11-21")
UNSEEN = Tried("2", "tests/a.py::test_it", "", "2026-11-20")
BY_TESTS = Tried("3", "tests/a.py::test_it", None, "2026-11-22")
LOAD = Load(100_000, 10_000, 8, 512.4, 0.0497, 0, 200 << 20, 210 << 20, "2026-11-22")
PROVEN = Registry((Guarantee("one", "crawl", "It holds.", ("tests/a.py::test_it",), ("invariant",)),), ())


def test_nothing_is_said_of_what_is_not_kept(tmp_path: Path) -> None:
    assert tried.sentences(PATCHES, tmp_path) == ()
    tried.keep_bugs({"one": CAUGHT, "two": UNSEEN}, tmp_path)
    assert tried.sentences(PATCHES, tmp_path) == (), "the third was not tried"
    tried.keep_bugs({"three": replace(BY_TESTS, patch="another")}, tmp_path)
    assert tried.sentences(PATCHES, tmp_path) == (), "the third was changed since"


def test_bugs_are_counted_when_all_were_tried_and_nobody_may_have_missed_one(tmp_path: Path) -> None:
    tried.keep_bugs({"one": CAUGHT, "two": UNSEEN, "gone": CAUGHT}, tmp_path)
    tried.keep_bugs({"three": BY_TESTS}, tmp_path)
    assert tried.sentences(PATCHES, tmp_path) == (
        "Of 3 planted bugs 2 were caught when each was last tried, since 2026-11-20; 1 of 2 that were also tried in the"
        " kill campaign broke an invariant there.",
    )
    assert not replace(BY_TESTS, caught_by="").caught


def test_a_load_is_said_with_its_size_and_what_it_cost(tmp_path: Path) -> None:
    tried.keep_load(LOAD, tmp_path / "var")
    assert tried.sentences(PATCHES, tmp_path / "var") == (
        "On 2026-11-22 `make prove-load` ran 100,000 records and 10,000 pictures with 8 processes in 512 s, 5.0 % of"
        " all requests faulted, with 0 violations; all processes together had up to 200 MiB at a tenth of the pictures"
        " and 210 MiB at the end.",
    )


def test_the_document_says_it_in_its_head_and_is_read_back(tmp_path: Path) -> None:
    tried.keep_bugs({"one": CAUGHT, "two": UNSEEN, "three": BY_TESTS}, tmp_path)
    tried.keep_load(LOAD, tmp_path)
    said, ran = tried.sentences(PATCHES, tmp_path), Ran(300, 1, 580, 4)
    text = document.markdown(PROVEN, {}, ran, said)
    assert len(said) == 2
    assert text.index(str(ran)) < text.index(said[0]) < text.index(said[1]) < text.index("\n## ")
    assert tried.sentences_in(text) == said
    assert tried.sentences_in(document.markdown(PROVEN, {}, ran)) == ()


def test_it_is_told_into_a_document_whose_numbers_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, before = tmp_path / "guarantees.md", document.PATH.read_text()
    path.write_text(before)
    tried.keep_load(LOAD, tmp_path)
    tried.tell(write=False, path=path, folder=tmp_path)
    assert path.read_text() == before
    tried.tell(write=True, path=path, folder=tmp_path)
    assert tried.sentences_in(path.read_text()) == (str(LOAD),)
    assert document.cases_in(path.read_text()) == document.cases_in(before)
    assert document.ran_in(path.read_text()) == document.ran_in(before)
    assert capsys.readouterr().out == f"{LOAD}\n" * 2
