"""Keys of queries and runs: readable, stable, and different when anything that is asked differs."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luigi_tasks.domain.run import RUN_ID_FORMAT, Query, Run
from luigi_tasks.gateways.objects import checked_key

MINUTE = datetime.datetime(2026, 11, 21, 7, 0)
NAMES = st.text(st.characters(codec="ascii", categories=["Ll"]), min_size=1, max_size=8)
PARAMETERS = st.dictionaries(NAMES, st.text(max_size=20), max_size=6)


def test_a_run_is_named_by_source_query_and_minute() -> None:
    query = Query.of("wallhaven", "Draenei, Shaman!", {"q": "Draenei, Shaman!", "purity": "100"})
    run = Run.at(query, MINUTE)
    assert query.key.startswith("wallhaven/draenei-shaman-")
    assert run.key == f"{query.key}/2026-11-21T07:00"
    assert run.raw_prefix == f"raw/{query.key}/20261121T0700Z"
    assert ":" not in run.raw_prefix


def test_the_key_is_the_same_on_every_machine_and_in_every_version() -> None:
    query = Query.of("wallhaven", "draenei", {"purity": "100", "q": "draenei"})
    assert query.key == "wallhaven/draenei-fea60a89"


@given(PARAMETERS)
def test_the_order_of_parameters_does_not_matter(parameters: dict[str, str]) -> None:
    backwards = dict(reversed(parameters.items()))
    assert Query.of("wallhaven", "x", parameters) == Query.of("wallhaven", "x", backwards)


@given(PARAMETERS, PARAMETERS)
def test_different_parameters_make_different_keys(one: dict[str, str], other: dict[str, str]) -> None:
    same = Query.of("wallhaven", "x", one).key == Query.of("wallhaven", "x", other).key
    assert same == (one == other)


@given(st.text(max_size=80))
def test_whatever_a_user_types_the_keys_can_stand_in_an_object_store(text: str) -> None:
    run = Run.at(Query.of("wallhaven", text, {}), MINUTE)
    assert checked_key(f"{run.raw_prefix}/search/page-00001.gz")
    assert run.key.count("/") == 2


@pytest.mark.parametrize("text", ["", "龍", "!!!"])
def test_a_text_without_letters_still_has_a_readable_key(text: str) -> None:
    assert Query.of("wallhaven", text, {}).key.startswith("wallhaven/all-")


def test_texts_that_look_alike_in_the_key_stay_apart() -> None:
    assert Query.of("wallhaven", "a b", {}).key != Query.of("wallhaven", "a-b", {}).key


def test_the_format_reads_back_what_it_writes() -> None:
    run = Run.at(Query.of("wallhaven", "x", {}), MINUTE)
    assert datetime.datetime.strptime(run.run_id, RUN_ID_FORMAT) == MINUTE
