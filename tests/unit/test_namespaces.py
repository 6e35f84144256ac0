"""One Luigi namespace a source: the same run under another name, its whole graph within."""

from __future__ import annotations

import datetime
import warnings
from typing import Any

import pytest

from luigi_tasks.sources import CATALOGUE

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # luigi deprecates what it does itself while it is imported
    from luigi.task import flatten
    from luigi.task_register import Register

    from luigi_tasks import pipeline

MINUTE = datetime.datetime(2026, 11, 21, 7, 0)
PLAIN = {"Report", "Model", "Load", "Clean", "Fetch"}
PICTURES = {"Report", "Remodel", "Publish", "Freeze", "LoadDetails", "FetchDetails", "Model", "Load", "Fetch", "Derive"}


def graph(task: Any) -> set[str]:
    """The families of everything that a task requires, however far away."""
    families: set[str] = set()
    for needed in flatten(task.requires()):
        families |= {needed.get_task_family()} | graph(needed)
    return families


@pytest.mark.parametrize("source", CATALOGUE)
def test_a_namespaced_collect_is_the_same_run_and_keeps_to_its_namespace(source: str) -> None:
    asked = {"file": "raw_sales.csv"} if source == "sales" else {}
    named = Register.get_task_cls(f"{source}.Collect")(run_id=MINUTE, **asked)
    plain = pipeline.Collect(source=source, run_id=MINUTE, **asked)
    assert named.collected_run == plain.collected_run
    assert (named.step, named.output().step) == ("Collect", "Report")
    assert graph(named) == {f"{source}.{family}" for family in graph(plain)}


def test_pictures_decide_which_steps_a_run_has() -> None:
    assert graph(pipeline.Collect(source="wallhaven", run_id=MINUTE)) == PICTURES
    assert graph(pipeline.Collect(source="jsonplaceholder", run_id=MINUTE)) == PLAIN


def test_a_namespace_takes_no_other_source() -> None:
    with pytest.raises(ValueError, match="wallhaven"):
        Register.get_task_cls("jsonplaceholder.Collect").source.parse("wallhaven")
