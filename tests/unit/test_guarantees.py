"""Every guarantee has proofs that exist, the document says what the registry says, and what is counted is right."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.prove import counting, depth, document, kept, promises, tried
from tests.prove.__main__ import of_campaign, write
from tests.prove.campaign import Campaign
from tests.prove.counting import Count
from tests.prove.document import Ran
from tests.prove.promises import AREAS, Guarantee, Registry

REPOSITORY = Path(__file__).parents[2]
KNOWN = promises.load()
# How a test says that it is not of the default run.
MARKING = re.compile(r"mark\.prove|prove\.depth import")
PROVEN = Registry((Guarantee("one", "crawl", "It holds.", ("tests/a.py::test_it",), ("invariant",)),), ())

SAMPLE = """
import pytest
from hypothesis import given, settings, strategies as st

@pytest.mark.parametrize("n", [1, 2, 3])
def test_three(n): assert n

def test_many(record_property): record_property("cases", 40)

@settings(max_examples=7, database=None)
@given(st.integers())
def test_property(n): assert n == n

@pytest.mark.parametrize("n", [0, 1])
def test_broken(n): assert n

@pytest.fixture
def spoilt():
    yield
    raise OSError

def test_ends_badly(spoilt): pass

def test_skipped(): pytest.skip("not here")
"""


def test_functions_of_all_node_ids_exist() -> None:
    there = {
        f"{file}::{name}" for file in {test.partition("::")[0] for test in KNOWN.tests} for name in functions_of(file)
    }
    assert [test for test in KNOWN.tests if test not in there] == []


def functions_of(file: str) -> list[str]:
    tree = ast.parse((REPOSITORY / file).read_text())
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]


def collected(expression: str, *where: str) -> set[str]:
    """Node ids without parameters of what an expression of marks selects."""
    options = ["-m", expression, "--collect-only", "-q", "-n", "0", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *options, *where]
    said = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    return {line.partition("[")[0] for line in said.splitlines() if "::" in line}


def test_every_test_that_is_left_to_make_prove_is_run_by_it() -> None:
    files = [path for path in sorted((REPOSITORY / "tests").rglob("test_*.py")) if MARKING.search(path.read_text())]
    marked = collected("prove", *map(str, files))
    targets = "".join(path.read_text() for path in sorted((REPOSITORY / "mk").glob("*.mk")))
    assert len(marked) >= 15
    elsewhere = {one.test for one in KNOWN.deeper}
    assert [t for t in sorted(marked - set(KNOWN.tests) - elsewhere) if t.partition("::")[0] not in targets] == []


def test_of_every_guarantee_a_sample_is_run_always() -> None:
    always = collected("not prove", *sorted({test.partition("::")[0] for test in KNOWN.tests}))
    assert [one.id for one in KNOWN.guarantees if not always & set(one.tests)] == []


def test_what_make_prove_leaves_to_another_target_is_named_with_it() -> None:
    files = sorted((REPOSITORY / "tests").rglob("test_*.py"))
    deep = [str(path) for path in files if "prove.depth import" in path.read_text()]
    named = {one.test for one in KNOWN.deeper}
    assert len(named) == len(KNOWN.deeper)
    assert collected(depth.DEEP_ONLY, *deep) == named
    assert collected(depth.SHALLOW_ONLY, *named) == named & set(KNOWN.tests), "a proof is run by it in part"
    assert depth.DEEP_ONLY in (REPOSITORY / "mk" / "prove.mk").read_text()


def test_every_invariant_of_the_campaign_holds_a_guarantee_and_there_are_no_others() -> None:
    checked = {str(one["invariant"]) for one in Campaign().by_invariant()}
    assert set(KNOWN.invariants) == checked - {"harness"}, "the harness speaks of itself, not of the product"


def test_every_guarantee_is_a_sentence_with_a_proof_and_no_name_stands_twice() -> None:
    assert [one.id for one in KNOWN.guarantees if not one.tests or not one.says.endswith(".")] == []
    assert len({one.id for one in KNOWN.guarantees}) == len({one.says for one in KNOWN.guarantees})
    assert len({one.id for one in KNOWN.guarantees}) == len(KNOWN.guarantees) >= 25
    assert [one.id for one in KNOWN.guarantees if len(set(one.proofs)) != len(one.proofs)] == []
    assert {one.area for one in KNOWN.guarantees} == set(AREAS)


def test_the_document_says_what_the_registry_says_and_is_of_a_whole_run() -> None:
    written = document.PATH.read_text()
    cases, ran, others = document.cases_in(written), document.ran_in(written), tried.sentences_in(written)
    assert written == document.markdown(KNOWN, cases, ran, others), "run `make prove`: it writes docs/guarantees.md"
    assert document.shortcomings(KNOWN, cases, ran) == []


def test_only_a_whole_run_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, whole = tmp_path / "guarantees.md", Ran(300, 7, 580, 4)
    counts = {proof: Count(300) for one in KNOWN.guarantees for proof in one.proofs}
    assert write(counts, whole, path) == 0
    assert document.ran_in(path.read_text()) == whole
    before = path.read_text()
    every, sampled = "row_has_object", "incremental_is_full"
    assert write(counts | {sampled: Count(1)}, whole, path) == 0
    path.write_text(before)
    assert write(counts, Ran(299, 7, 580, 4), path) == 1
    assert write(counts | {every: Count(299)}, whole, path) == 1
    assert write({proof: count for proof, count in counts.items() if proof != every}, whole, path) == 1
    assert write(counts | {sampled: Count(0)}, whole, path) == 1
    assert path.read_text() == before
    said = capsys.readouterr().out
    assert "299 kills: the document is of at least 300" in said
    assert f"{every}: checked after 299 kills" in said
    assert f"{every}: no case was run" in said


def test_only_what_was_not_proven_is_run_again(tmp_path: Path) -> None:
    ran, good = Ran(300, 1, 700, 4), {"tests/a.py::test_it": Count(3), "invariant": Count(300)}
    kept.keep(ran, good, tmp_path / "var" / "prove.json")
    assert kept.last(tmp_path / "var" / "prove.json") == (ran, good)
    assert kept.unproven(PROVEN, good).guarantees == (Guarantee("one", "crawl", "It holds.", (), ()),)
    for bad in (Count(2, 0, ["[3] failed"]), Count(0, 3)):
        again = kept.unproven(PROVEN, good | {"tests/a.py::test_it": bad})
        assert (again.tests, again.invariants) == (("tests/a.py::test_it",), ())
        again = kept.unproven(PROVEN, good | {"invariant": bad})
        assert (again.tests, again.invariants) == ((), ("invariant",))
    del good["tests/a.py::test_it"]
    assert kept.unproven(PROVEN, good).tests == PROVEN.tests
    assert kept.unproven(PROVEN, good | {"campaign": Count(violations=["died"])}).invariants == ("invariant",)


def test_a_guarantee_holds_only_when_every_proof_had_cases_and_none_failed() -> None:
    good = {"tests/a.py::test_it": Count(3), "invariant": Count(9)}
    assert document.complaints(PROVEN, good) == []
    assert document.complaints(PROVEN, good | {"invariant": Count(9, 0, ["an object without a row"])}) == [
        "one: an object without a row"
    ]
    assert document.complaints(PROVEN, good | {"invariant": Count(0, 2)}) == ["one: invariant had no case, 2 skipped"]
    assert document.complaints(PROVEN, good | {"harness": Count(1, 0, ["it fell over"])}) == ["it fell over"]
    assert document.complaints(PROVEN, {"invariant": Count(9)}) == [
        "one: tests/a.py::test_it was not run: is it still there?"
    ]


def test_the_campaigns_file_is_read() -> None:
    said = [{"invariant": "a", "cases": 7, "violations": 0}, {"invariant": "b", "cases": 7, "violations": 2}]
    assert of_campaign(said) == {"a": Count(7), "b": Count(7, 0, ["b: 2 kills after which it did not hold"])}


@pytest.mark.parametrize("workers", ["0", "1"])
def test_cases_are_parameters_or_examples_or_what_a_test_says(tmp_path: Path, workers: str) -> None:
    (tmp_path / "test_sample.py").write_text(SAMPLE)
    environ = {**os.environ, counting.VARIABLE: str(tmp_path / "counts.json"), "PYTHONPATH": str(REPOSITORY)}
    options = ["-q", "-p", "tests.prove.counting", "-p", "no:cacheprovider", "-n", workers, "--rootdir", str(tmp_path)]
    command = [sys.executable, "-m", "pytest", "-c", os.devnull, *options, "test_sample.py"]
    subprocess.run(command, cwd=tmp_path, env=environ, check=False, capture_output=True)
    found = {name.rpartition("::")[2]: count for name, count in counting.read(tmp_path / "counts.json").items()}
    assert {name: (count.cases, count.skipped, len(count.violations)) for name, count in found.items()} == {
        "test_three": (3, 0, 0),
        "test_many": (40, 0, 0),
        "test_property": (7, 0, 0),
        "test_broken": (1, 0, 1),
        "test_ends_badly": (1, 0, 1),
        "test_skipped": (0, 1, 0),
    }
