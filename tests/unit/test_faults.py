"""The registry of crash points and the source code agree, and a point fails at its turn and only there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from luigi_tasks.domain.faults import POINTS, TRACE, InjectedFault, armed
from tests.prove.plan import WITHOUT_POINTS

PACKAGE = Path(__file__).parents[2] / "luigi_tasks"


def points_in_the_code() -> list[str]:
    """The argument of every call of crash_point."""
    calls = (
        node
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "crash_point"
    )
    return [ast.literal_eval(call.args[0]) for call in calls]


def test_every_point_of_the_registry_stands_in_the_code_once_and_no_other_does() -> None:
    found = points_in_the_code()
    assert sorted(found) == sorted(POINTS)


def test_there_are_at_least_sixty_and_each_effect_has_both() -> None:
    assert len(POINTS) >= 60
    effects = {point.rpartition(".")[0] for point in POINTS}
    assert {f"{effect}.{when}" for effect in effects for when in ("before", "after")} == POINTS


def test_a_point_fails_at_its_turn_and_only_there(capfd: pytest.CaptureFixture[str]) -> None:
    point = armed("publish.put.after:2:exception")
    point("publish.put.after")
    point("publish.put.before")
    assert capfd.readouterr().err == ""
    with pytest.raises(InjectedFault):
        point("publish.put.after")
    assert capfd.readouterr().err == "DRAENEI_FAULT publish.put.after:2:exception\n"
    point("publish.put.after")
    armed("")("publish.put.after")


def test_a_trace_says_what_is_passed(capfd: pytest.CaptureFixture[str]) -> None:
    armed(TRACE)("publish.put.after")
    assert capfd.readouterr().err == "DRAENEI_FAULT publish.put.after\n"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("publish.put.after:1:explode", "none of kill"),
        ("publish.pat.after:1:kill", "no crash point"),
        ("kill", "values to unpack"),
    ],
)
def test_what_is_no_fault_is_refused(fault: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        armed(fault)


def test_a_step_that_writes_to_the_bucket_has_points_or_a_reason() -> None:
    steps = sorted((PACKAGE / "steps").glob("*.py"))
    texts = {path.stem: path.read_text() for path in steps}
    writing = {name for name, text in texts.items() if re.search(r"store\.(put_if_absent|remove|move)\(", text)}
    assert {name for name in writing if "crash_point(" not in texts[name]} == WITHOUT_POINTS.keys()
