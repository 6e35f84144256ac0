"""A fast sample of the kill campaign, and that its plan and verdicts can be trusted; all of it: `make prove-kills`."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from luigi_tasks.gateways import embedded_postgres
from tests.prove.arena import STATES, Arena, two_of
from tests.prove.campaign import Campaign, main
from tests.prove.cases import Result, run
from tests.prove.child import SCOPES
from tests.prove.invariants import World
from tests.prove.plan import ACTIONS, PLACED, Case, case_of, place, plan


@pytest.fixture
def arena(postgres_server: embedded_postgres.Server, tmp_path: Path) -> Iterator[Arena]:
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    with Arena(postgres_server, tmp_path / "arena", number) as made:
        yield made


@pytest.mark.parametrize(
    "case",
    [
        Case("fetch.put.after:2:kill", "load", "empty", "s3"),
        Case("load.commit.before:1:stop", "load", "empty", "folder"),
    ],
    ids=str,
)
def test_a_sample_of_the_campaign(arena: Arena, case: Case) -> None:
    result = run(arena, case)
    assert result.struck, result.last_words
    assert result.violations == {}
    assert len(result.checked) >= 35


def test_a_kill_at_a_line_is_one_too(arena: Arena) -> None:
    result = run(arena, Case("line:300:kill", "migrate", "blank", "folder"))
    assert (result.struck, result.violations) == (True, {})


def test_a_state_that_failed_half_way_is_made_anew(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    case, finish = Case("line:300:kill", "migrate", "loaded", "folder"), Arena.finish
    monkeypatch.setattr("tests.prove.arena.STATES", {**STATES, "modelled": ("loaded", ())})

    def ends_badly(self: Arena, world: World, scope: str) -> None:
        finish(self, world, scope)
        if scope == "load":
            monkeypatch.setattr(Arena, "finish", finish)
            raise RuntimeError("the disk was full")

    monkeypatch.setattr(Arena, "finish", ends_badly)
    assert run(arena, case).violations == {"harness": ["RuntimeError: the disk was full"]}
    assert run(arena, case).violations == {}


def test_a_point_that_is_never_passed_fails_the_campaign(arena: Arena, capsys: pytest.CaptureFixture[str]) -> None:
    campaign = Campaign()
    campaign.add(run(arena, Case("report.draw.after:1:kill", "migrate", "blank", "folder")))
    assert campaign.failed
    assert "NEVER PASSED report.draw.after:1:kill" in capsys.readouterr().out


def test_a_sweep_that_kills_too_little_fails() -> None:
    case = Case("line:1:kill", "migrate", "blank", "folder")
    nine, eight = Campaign(), Campaign()
    nine.results = [Result(case, struck=number < 9) for number in range(10)]
    eight.results = [Result(case, struck=number < 8) for number in range(10)]
    assert (nine.failed, eight.failed) == (False, True)


def test_cases_that_were_not_begun_in_time_are_told_and_none_at_all_is_no_proof(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--fault", "fetch.put.after:1:kill", "--workers", "1", "--within", "0"]) == 1
    assert "1 of 1 cases were not begun within 0 s" in capsys.readouterr().out


def test_a_violation_fails_the_campaign_and_stands_in_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    campaign = Campaign()
    broken = Result(case_of("publish.put.after:2:kill", random.Random(1)), struck=True)
    broken.expect("quiescence", holds=False, words="exit codes [1, 1]")
    campaign.add(broken)
    assert campaign.failed
    assert "VIOLATION quiescence: publish.put.after:2:kill" in capsys.readouterr().out
    assert "1 kills at 1 points, 1 checks, 1 violations" in campaign.table()
    (found,) = [row for row in campaign.by_invariant() if row["invariant"] == "quiescence"]
    assert (found["cases"], found["violations"]) == (1, 1)


def test_a_seed_is_a_plan_and_each_point_comes_once_before_any_comes_twice() -> None:
    assert plan(7, 300) == plan(7, 300) != plan(8, 300)
    assert {case.point for case in plan(7, len(PLACED))} == PLACED
    every = plan(7, 2 * len(PLACED) * len(ACTIONS))
    assert len({(case.point, case.action) for case in every}) == len(PLACED) * len(ACTIONS)
    scopes = Counter(case.scope for case in plan(7, 300))
    assert scopes["whole"] >= 3
    assert scopes["rounds"] >= 2
    assert scopes["publish2"] >= 3
    with pytest.raises(ValueError, match="no crash point"):
        plan(7, 1, "nowhere")


def test_every_point_has_a_place() -> None:
    for point in PLACED:
        scope, state, stores = place(point)
        assert scope in SCOPES
        assert state in STATES
        assert stores


def test_every_core_is_given_to_as_many_workers_as_every_other() -> None:
    assert [two_of({7, 0, 2, 5}, number) for number in range(4)] == [{0, 2}, {2, 5}, {5, 7}, {7, 0}]
    assert [two_of({3}, number) for number in range(2)] == [{3}, {3}]
