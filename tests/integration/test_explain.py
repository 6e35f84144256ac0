"""Explain: every link from a picture back to the request that found it, for every wallpaper of a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from luigi_tasks import settings as settings_module
from luigi_tasks.domain import envelope as envelopes
from luigi_tasks.domain.errors import SettingsError, WarehouseError
from luigi_tasks.domain.progress import Silent
from luigi_tasks.steps import publish
from luigi_tasks.steps.explain import explain
from luigi_tasks.verbs.explain import explain as verb
from tests.conftest import Warehouse
from tests.integration.core_fixtures import MADE_WITH, Collecting
from tests.integration.replay_fixtures import build, site, whole_run
from twin import Fault, Twin


@pytest.fixture
def twin() -> Iterator[Twin]:
    """A site."""
    with site() as running:
        yield running


@pytest.fixture
def collecting(warehouse: Warehouse, twin: Twin) -> Collecting:
    """The query, collected from the twin, pictures too."""
    return Collecting(warehouse, twin.api_url, details_per_run=3, wallhaven_image_hosts=(twin.image_host,))


def test_every_wallpaper_of_a_run_resolves_to_the_bytes_it_came_from(
    collecting: Collecting, twin: Twin, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, bad = twin.catalogue.ids[4], twin.catalogue.ids[-2]
    twin.faults.add(Fault("gone", "image", id=gone, times=None))
    twin.faults.add(Fault("missing_field", "search", page=1, id=bad))
    with pytest.raises(SettingsError, match="nothing was collected yet"):
        explain(collecting.settings, bad)
    run = whole_run(collecting)
    publish.freeze_step(collecting.settings, run.key)
    publish.publish(collecting.settings, run.key, collecting.store, Silent())
    build(collecting, run)

    ids = [row[0] for row in warehouse.rows("select wallhaven_id from draenei_content.wallpapers")]
    assert len(ids) == 29
    for wallhaven_id in ids:
        _check(collecting, wallhaven_id, explain(collecting.settings, wallhaven_id), stored=wallhaven_id != gone)

    with pytest.raises(SettingsError, match=rf"{bad} is in quarantine.*quarantine show \d+"):
        explain(collecting.settings, bad)
    with pytest.raises(SettingsError, match="no wallpaper 'zzzzzz' was collected"):
        explain(collecting.settings, "zzzzzz")

    monkeypatch.setattr(settings_module, "load", lambda: collecting.settings)
    facts = json.loads(CliRunner().invoke(verb, [ids[0], "--json"]).output)
    assert facts["run"]["run_key"] == run.key
    said = CliRunner().invoke(verb, [gone]).output
    assert "object     none yet" in said
    assert f"attempt    1 gone: {facts_of_attempt(collecting, gone)['reason']}  in {run.key}" in said
    (request,) = (line for line in said.splitlines() if line.startswith("request"))
    assert request.startswith(f"request    GET {MADE_WITH.source_address}/search?")
    assert "&page=2" in request
    assert f"made with  code {MADE_WITH.code_version}, settings {MADE_WITH.settings_sha256}" in said

    warehouse.rows("delete from raw.wallhaven_search where record_id = %s", ids[0])
    warehouse.rows("delete from raw.wallhaven_wallpaper where record_id = %s", ids[0])
    with pytest.raises(WarehouseError, match="page that holds its record is missing"):
        explain(collecting.settings, ids[0])


def facts_of_attempt(collecting: Collecting, wallhaven_id: str) -> dict[str, Any]:
    """The only attempt at a picture."""
    (attempt,) = explain(collecting.settings, wallhaven_id)["attempts"]
    assert isinstance(attempt, dict)
    return attempt


def _check(collecting: Collecting, wallhaven_id: str, facts: dict[str, Any], *, stored: bool) -> None:
    """Follow the chain to the objects themselves."""
    if stored:
        body = collecting.store.get(facts["object"]["s3_key"])
        assert (len(body), envelopes.digest(body)) == (facts["object"]["bytes"], facts["object"]["sha256"])
    else:
        assert facts["object"] is None
    assert [attempt["outcome"] for attempt in facts["attempts"]] == ["stored" if stored else "gone"]
    envelope, body = envelopes.unpack(collecting.store.get(facts["page"]["object_key"]))
    record = json.loads(body)["data"][facts["page"]["position"]]
    assert (record["id"], record["url"]) == (wallhaven_id, facts["picture"]["url"])
    assert dict(facts["request"]) == dict(envelope.request)
    assert facts["run"]["run_key"] == envelope.run_key
    assert (facts["run"]["code_version"], facts["run"]["settings_sha256"]) == ("test", "0" * 64)
