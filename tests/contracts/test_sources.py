"""Every source in the catalogue is held to the same checks; a new one gets them by being listed."""

from __future__ import annotations

import inspect
import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luigi_tasks.domain import cleaning
from luigi_tasks.domain.errors import SourceError
from luigi_tasks.domain.run import Query
from luigi_tasks.gateways import warehouse_roles
from luigi_tasks.gateways.dbt import PROJECT
from luigi_tasks.gateways.objects import checked_key
from luigi_tasks.settings import Settings
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.sources.contract import Archived, Filed, Listing, Page, Request, Requested, Source, clean_entities
from luigi_tasks.sources.validation import RecordCheck
from luigi_tasks.steps import access, model
from luigi_tasks.warehouse import migrate

every_source = pytest.mark.parametrize("source", CATALOGUE.values(), ids=CATALOGUE)
every_entity = pytest.mark.parametrize(
    ("source", "entity"), [(source, entity) for source in CATALOGUE.values() for entity in source.ENTITIES]
)
every_listing = pytest.mark.parametrize(
    "source", [source for source in CATALOGUE.values() if isinstance(source, Listing)], ids=lambda source: source.NAME
)
QUERIES = {"wallhaven": "draenei", "kaggle": "owner/name", "sales": "raw_sales.csv"}
DDL = "\n".join(migration.sql for migration in migrate.available())
ANY_TEXT = st.text(st.characters(exclude_categories=[]))
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT | st.sampled_from(["data", "meta", "id"]), inner),
    max_leaves=10,
)


@every_source
def test_it_is_listed_under_its_name_and_offers_what_the_protocol_says(source: Source) -> None:
    assert CATALOGUE[source.NAME] is source
    assert source.ENTITIES
    assert isinstance(source.CREDENTIAL_HEADER, str)
    assert source.EVERY_MINUTES >= 1
    capabilities = [protocol for protocol in (Requested, Listing, Archived) if isinstance(source, protocol)]
    assert len(capabilities) == 1, "a run's requests are known beforehand, they are a crawl, or it is one archive"
    functions = inspect.getmembers(capabilities[0], inspect.isfunction)
    wanted = {name: function for name, function in functions if not name.startswith("_")}
    assert {"query", "parse", "record_id"} < wanted.keys()
    for name, function in wanted.items():
        parameters = [parameter for parameter in inspect.signature(function).parameters if parameter != "self"]
        assert list(inspect.signature(getattr(source, name)).parameters) == parameters, name


@every_source
def test_the_settings_say_how_it_is_reached(source: Source) -> None:
    own = Settings(_env_file=None)
    query = access.query(own, source.NAME, QUERIES.get(source.NAME, ""))
    assert query.source == source.NAME
    found = access.access(own, query)
    assert found.per_minute > 0
    if isinstance(source, Filed):
        assert f"{source.NAME}_file" in Settings.model_fields
        assert found.address == source.address(query)
    else:
        assert f"{source.NAME}_api_url" in Settings.model_fields
        assert found.address.startswith("http")


@every_source
def test_every_raw_table_is_a_source_of_its_models(source: Source) -> None:
    declared = warehouse_roles.declared_sources()
    assert {entity.table for entity in source.ENTITIES.values()} <= declared
    assert all(list(PROJECT.glob(path.removeprefix("path:"))) for path in model.selection(source.NAME) if ":" in path)


@every_source
def test_its_docstring_is_a_card(source: Source) -> None:
    card = inspect.getdoc(source) or ""
    for heading in ("Docs", "Pages", "Rate limit", "Credential", "Raw table"):
        assert any(line.startswith(heading) for line in card.splitlines()), heading
    assert "https://" in card
    for entity in source.ENTITIES.values():
        assert entity.table in card


@every_source
def test_it_depends_on_no_other_source(source: Source) -> None:
    text = inspect.getsource(inspect.getmodule(source.parse) or pytest.fail("a source is a module"))
    for other in CATALOGUE:
        assert other == source.NAME or f"sources.{other}" not in text


@every_entity
def test_its_schema_is_one_and_its_raw_table_exists(source: Source, entity: str) -> None:
    schema = source.ENTITIES[entity].json_schema()
    jsonschema_rs.meta.validate(schema)
    assert schema["$schema"].endswith("2020-12/schema")
    assert f"create table {source.ENTITIES[entity].table} (" in DDL
    assert 200 in source.ENTITIES[entity].statuses
    assert schema["required"]
    assert schema["properties"].keys() >= set(schema["required"])
    assert schema.get("additionalProperties", True) is True, "an unknown field is reported, not refused"


def requested(source: Source) -> list[Request]:
    """Every kind of request that a run of the source makes."""
    query = source.query(QUERIES.get(source.NAME, ""), {})
    if isinstance(source, Requested):
        return list(source.requests(query, "2026-11-21T07:00"))
    if isinstance(source, Archived):
        return []
    assert isinstance(source, Listing)
    following = source.following_request(query, Page((), number=1, last_number=2))
    assert following is not None
    return [source.first_request(query), following, source.detail_request("94x38z")]


@every_source
def test_its_requests_are_the_same_each_time_and_their_names_can_be_keys(source: Source) -> None:
    requests = requested(source)
    assert requests == requested(source)
    assert {request.entity for request in requests} == (set() if isinstance(source, Archived) else set(source.ENTITIES))
    assert len({(request.entity, request.page_name) for request in requests}) == len(requests)
    for request in requests:
        assert request.path.startswith("/")
        assert checked_key(f"raw/{source.NAME}/{request.entity}/{request.page_name}.gz")


@every_listing
def test_nothing_follows_the_last_page(source: Listing) -> None:
    query = source.query("draenei", {})
    assert isinstance(query, Query)
    assert query.source == source.NAME
    assert source.following_request(query, Page((), number=2, last_number=2)) is None


@every_entity
def test_every_field_of_the_clean_zone_has_a_type_and_bounds(source: Source, entity: str) -> None:
    if entity not in clean_entities(source):
        return
    schema = source.ENTITIES[entity].json_schema()
    names = [field.name for field in cleaning.fields(schema)]
    assert len(set(names)) == len(names) > 0
    assert all(name == name.lower() and name.isidentifier() for name in names)
    for name, inner in schema["properties"].items():
        if inner.get("type") == "integer":
            assert -(2**63) <= inner["minimum"] <= inner["maximum"] < 2**63, name


def read(source: Source, entity: str, body: bytes) -> Page | None:
    """The page, None when the source says that the body is no answer; any other error is the test's failure."""
    try:
        return source.parse(entity, body)
    except SourceError:
        return None


@every_entity
@given(body=st.binary(max_size=300))
def test_garbage_is_a_source_error_and_nothing_else(source: Source, entity: str, body: bytes) -> None:
    assert read(source, entity, body) is None


@every_entity
@given(value=ANY_JSON)
def test_any_json_is_a_page_or_a_source_error(source: Source, entity: str, value: Any) -> None:
    page = read(source, entity, json.dumps(value).encode())
    assert page is None or isinstance(page.records, tuple)


@every_entity
@settings(max_examples=50)
@given(value=ANY_JSON)
def test_any_json_has_a_key_or_none_and_can_be_sorted(source: Source, entity: str, value: Any) -> None:
    key = source.record_id(value)
    assert key is None or checked_key(f"{source.NAME}/{key}")
    assert RecordCheck(source, source.ENTITIES[entity]).sort(0, value)
