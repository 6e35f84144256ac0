"""A measurement beside an earlier one: what became worse is named, noise and other machines are not."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks import measurements
from benchmarks.transfer import goals, history, report

OURS = "draenei-collector"
BENCHMARKS = Path(measurements.__file__).parent
MAKE = "".join(file.read_text() for file in sorted(BENCHMARKS.parent.glob("mk/bench*.mk")))
MACHINE = {"processor": "one", "cores": 4}


def run(tool: str, **other: Any) -> dict[str, Any]:
    """A run of 100 pictures and a gigabyte in ten seconds."""
    facts: dict[str, Any] = {"network": "loopback", "tool": tool, "round": 0, "pictures": 100, "bytes": 10**9}
    facts |= {"right": 100, "wall": 10.0, "cpu": 2.0, "peak_rss": 200 << 20, "server_cpu": 1.0, "sink_cpu": 1.0}
    return facts | {"database_cpu": 0.1, "commits": 40, "code": 0} | other


def document(at: str = "2026-01-02", **ours: Any) -> dict[str, Any]:
    """Ours beside rclone, which is twice as fast."""
    results = [run(OURS, **ours), run("rclone", wall=5.0)]
    offered = {"pictures": 100, "bodies": "made"}
    return {"at": at, "machine": dict(MACHINE), "offered": offered, "missing": [], "results": results}


@pytest.mark.parametrize(
    ("measure", "worse", "noise"),
    [
        ("speed", {"wall": 13.0}, {"wall": 11.0}),
        ("CPU s/GB", {"cpu": 2.6}, {"cpu": 2.2}),
        ("peak RSS", {"peak_rss": 260 << 20}, {"peak_rss": 220 << 20}),
        ("commits a picture", {"commits": 60}, {"commits": 42}),
    ],
)
def test_what_became_worse_is_named(measure: str, worse: dict[str, Any], noise: dict[str, Any]) -> None:
    before = document("2026-01-01")
    for now, expected in ((worse, [measure]), (noise, []), ({}, [])):
        changes = history.compared(document(**now), before)
        assert [one.measure for one in changes if one.is_worse] == expected
        assert len(history.regressions(document(**now), changes)) == len(expected)
    changes = history.compared(document(**worse), before)
    assert f"{measure} ×" in report.table(document(**worse), changes)
    assert report.table(document(**worse), changes).count(" worse") == 1


def test_a_machine_that_is_slower_for_all_tools_is_no_regression() -> None:
    slow = document()
    for one in slow["results"]:
        one["wall"] *= 2
    assert history.regressions(slow, history.compared(slow, document("2026-01-01"))) == []


def test_a_picture_that_did_not_arrive_is_one_without_any_history() -> None:
    assert history.regressions(document(right=99), []) == ["loopback, draenei-collector: 99 of 100 right"]


def test_only_the_same_offer_on_the_same_machine_is_compared(tmp_path: Path) -> None:
    def keep(earlier: dict[str, Any]) -> None:
        (tmp_path / f"transfer-{earlier['at']}.json").write_text(json.dumps(earlier))

    assert history.previous(tmp_path, document()) is None
    keep(document("2025-12-30"))
    keep(document("2026-01-01"))
    keep(document("2026-01-03"))
    for day, change in enumerate(({"cores": 2}, {"processor": "two"})):
        keep(document(f"2026-01-01T{day}") | {"machine": MACHINE | change})
    keep(document("2026-01-01T3") | {"offered": {"pictures": 99, "bodies": "made"}})
    elsewhere = copy.deepcopy(document("2026-01-01T4"))
    elsewhere["results"][0]["network"] = "60ms"
    keep(elsewhere)
    earlier = history.previous(tmp_path, document())
    assert earlier
    assert earlier["at"] == "2026-01-01"


def test_a_page_says_what_was_reached_of_the_goals() -> None:
    results = [run(tool, wall=wall) for tool, wall in ((OURS, 10.0), ("rclone", 5.0), ("the seed's way", 80.0))]
    results += [run(tool, wall=wall, network="60ms") for tool, wall in ((OURS, 10.0), ("rclone", 20.1), ("curl", 5.0))]
    results += [run("curl, one a core", wall=4.0, network="60ms"), run(f"{OURS}, full decode", wall=20.0)]
    told = {"machine": MACHINE, "decoder": {"pictures/s of CPU": 1.3}, "results": results}
    reached = {
        (one.network, one.measure.split(",")[0], one.goal): (round(one.reached, 2), one.met)
        for one in goals.goals(told)
    }
    assert reached == {
        ("loopback", "pictures/s", 1.0): (0.5, False),
        ("loopback", "pictures/s", 8.0): (8.0, True),
        ("loopback", "CPU s/GB", 2.5): (2.0, True),
        ("loopback", "full decode", 0.9): (0.96, True),
        ("60ms", "pictures/s", 2.0): (2.01, True),
        ("60ms", "pictures/s", 0.6): (0.4, False),
        ("60ms", "CPU s/GB", 2.5): (2.0, True),
    }
    assert "as a multiple of rclone's | ≥ 1.0 | 0.50: **missed** |" in goals.table(told)
    assert goals.table({"results": [run("curl")]}) == ""


def test_a_busy_server_and_a_missing_tool_are_said() -> None:
    told = document(server_cpu=15.0) | {"missing": ["Scrapy"]}
    table = report.table(told)
    assert "| Scrapy | not to be had here |" in table
    assert table.count(" † |") == 1
    assert report.BUSY_NOTE in table
    assert report.BUSY_NOTE not in report.table(document())


FIGURES = {"CPU s": 1.0, "records/s": 100.0, "wall s": 1.0}


def kept(
    folder: Path, *words: str, name: str = "load", records: int = 5, figures: Mapping[str, float] = FIGURES
) -> int:
    """Keep a row of a benchmark."""
    told = ["5", "--history", str(folder), *words]
    kinds = {"more_is_better": ["records/s"], "not_judged": ["wall s"]}
    return measurements.keep(name, {"records": records}, {"Load": figures}, **kinds, argv=told)


@pytest.fixture
def days(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each measurement is made a day after the one before."""
    moments = (f"2026-01-0{day}T000000Z" for day in range(1, 9))
    monkeypatch.setattr(measurements, "now", lambda: next(moments))


@pytest.mark.usefixtures("days")
def test_a_benchmark_keeps_what_it_measured_and_says_what_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert kept(tmp_path, "--fail-on-regression") == 0, "the first one has nothing to be worse than"
    first = tmp_path / "load-2026-01-01T000000Z.json"
    assert json.loads(first.read_text())["figures"] == {"Load": FIGURES}
    assert capsys.readouterr().out == f"kept: {first}\n"
    assert kept(tmp_path, "--fail-on-regression", figures=FIGURES | {"CPU s": 1.1, "wall s": 9.0}) == 0, "noise"
    assert "  Load: CPU s ×1.10, records/s ×1.00, wall s ×9.00\n" in capsys.readouterr().out
    assert kept(tmp_path, "--no-history", figures=FIGURES | {"CPU s": 2.0}) == 0, "it was not asked to fail"
    assert "CPU s ×1.82 worse" in capsys.readouterr().out
    assert kept(tmp_path, "--no-history", "--fail-on-regression", figures=FIGURES | {"records/s": 50.0}) == 1
    assert "records/s ×0.50 worse" in capsys.readouterr().out
    assert len(list(tmp_path.iterdir())) == 2, "--no-history kept nothing"


@pytest.mark.usefixtures("days")
def test_one_benchmark_is_not_compared_with_another_nor_with_another_offer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, records in (("gallery", 5), ("gallery_export", 5), ("gallery", 6)):
        assert kept(tmp_path, name=name, records=records) == 0
    assert "against" not in capsys.readouterr().out
    assert kept(tmp_path, name="gallery") == 0
    assert "against 2026-01-01T000000Z, " in capsys.readouterr().out


def test_what_a_benchmark_is_told_besides_is_its_own() -> None:
    assert measurements.words(["10", "--no-history", "20", "--history", "x", "--sweep"]) == ["10", "20", "--sweep"]


@pytest.mark.parametrize("name", sorted(set(re.findall(r"-m benchmarks\.(\w+)", MAKE))))
def test_every_benchmark_that_make_knows_keeps_a_history_and_takes_its_options(name: str) -> None:
    (line,) = re.findall(rf"-m benchmarks\.{name}\b.*", MAKE)
    assert line.endswith("$(HISTORY)")
    source = BENCHMARKS / (f"{name}.py" if name != "transfer" else "transfer/__main__.py")
    kept_as = rf'measurements\.keep\(\s*"{name}"' if name != "transfer" else r"measurements\.write\("
    assert re.search(kept_as, source.read_text())
