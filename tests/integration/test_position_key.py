"""Keys of places in a body: as they were below a million, distinct and in order above."""

from __future__ import annotations

from types import SimpleNamespace

import jinja2

from tests.conftest import REPOSITORY, Warehouse

MACROS = REPOSITORY / "dbt_project" / "macros"
PLACES = (0, 7, 999_999, 1_000_000, 1_000_001, 9_999_999, 10_000_000, 2_147_483_647)


def test_keys_are_in_order_and_those_below_a_million_stay_what_they_were(warehouse: Warehouse) -> None:
    text = (MACROS / "position_key.sql").read_text()
    environment = jinja2.Environment(autoescape=False)
    dbt = SimpleNamespace(type_string=lambda: "text")
    expression = environment.from_string(text).make_module({"dbt": dbt}).position_key("place")  # type: ignore[attr-defined]
    rows = warehouse.rows(f"select place, {expression} from unnest(%s) as place", list(PLACES))
    keys = dict(rows)
    assert {place: key for place, key in keys.items() if place < 1_000_000} == {
        place: f"{place:06}" for place in PLACES if place < 1_000_000
    }
    found = [keys[place].encode() for place in PLACES]
    assert found == sorted(set(found)), "by bytes, as the keys are compared"


def test_no_other_key_cuts_a_place_off() -> None:
    assert {path.name for path in MACROS.glob("*.sql") if "lpad(" in path.read_text()} == {"position_key.sql"}
