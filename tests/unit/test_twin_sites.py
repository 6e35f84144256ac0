"""Further sites in the twin: the real shape and numbers, changes on demand, and Wallhaven beside them unharmed."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from luigi_tasks.sources import CATALOGUE, jsonplaceholder
from luigi_tasks.sources.contract import Listing
from luigi_tasks.sources.validation import RecordCheck
from twin import Catalogue, Fault, Twin
from twin.jsonplaceholder import NUMBERS, Jsonplaceholder
from twin.sites import demo_sites


def get(url: str) -> Any:
    request = urllib.request.Request(url, headers={"User-Agent": "a test"})
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        return json.loads(answer.read())


def test_the_demo_has_a_site_for_every_source_without_pictures() -> None:
    plain = {name for name, source in CATALOGUE.items() if not isinstance(source, Listing)}
    assert {site.NAME for site in demo_sites()} == plain


def test_six_resources_of_the_real_numbers_that_the_schemas_take() -> None:
    site = Jsonplaceholder()
    for entity in jsonplaceholder.RESOURCES:
        check = RecordCheck(jsonplaceholder, jsonplaceholder.ENTITIES[entity])
        records = site.records(entity)
        assert len(records) == NUMBERS[entity]
        assert not [found for found in (check.sort(0, one) for one in records[:50]) if hasattr(found, "violations")]
        assert not check.unexpected_fields(records[0])


def test_the_site_answers_below_its_name_and_shows_what_was_changed() -> None:
    with Twin(Catalogue.generate(1, small=True), sites=[Jsonplaceholder(photos=5)]) as twin:
        url = twin.site_url("jsonplaceholder")
        before = get(f"{url}/todos")
        site = twin.sites["jsonplaceholder"]
        assert isinstance(site, Jsonplaceholder)
        site.update("todos", 3, title="another")
        site.remove("todos", 4)
        after = get(f"{url}/todos")
        assert [one["id"] for one in before if one not in after] == [3, 4]
        assert [request.route.kind for request in twin.requests] == ["site", "site"]
        twin.faults.add(Fault("status", "site", status=503))
        for path, status in (("/users", 503), ("/nothing", 404)):
            with pytest.raises(urllib.error.HTTPError) as refused:
                get(url + path)
            refused.value.close()
            assert refused.value.code == status
        assert twin.api_calls() == []
