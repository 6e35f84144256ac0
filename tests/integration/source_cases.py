"""What the proofs over every source need to know of each: a small stand-in, a change there, a record to refuse."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pytest

from luigi_tasks.domain.progress import Silent
from luigi_tasks.domain.run import Run
from luigi_tasks.gateways import canonical_export, parquet, postgres, run_ledger
from luigi_tasks.gateways.objects import ObjectStore, open_store
from luigi_tasks.settings import Settings
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.sources.contract import Archived, Entity, Listing, collected_entities
from luigi_tasks.steps import access, archive, clean, crawl, fetch, load
from tests.conftest import Warehouse
from tests.integration.core_fixtures import MADE_WITH, MINUTE
from twin import Catalogue, Twin
from twin.jsonplaceholder import Jsonplaceholder
from twin.kaggle import DATASET, KEY, USER, Kaggle
from twin.kaggle import archive as archive_of
from twin.randomuser import Randomuser
from twin.sales import FILE, LINES, Sales
from twin.sites import Site


@dataclass(frozen=True)
class Case:
    """url: the stand-in's address. change: something happens at the source. victim: (entity, field, value).

    The victim is refused by its schema until the test says otherwise. requests: of a first run. modelled: asserts what
    the models say after a run, the change and another run, given the two run keys. environ: settings beside address and
    rate.
    """

    sites: Callable[[], list[Site]]
    url: Callable[[Twin], str]
    change: Callable[[Twin], object]
    victim: Callable[[Twin], tuple[str, str, object]]
    requests: int
    modelled: Callable[[World, str, str], None]
    environ: Callable[[Twin], dict[str, str]] = field(default=lambda twin: {})


def _small() -> list[Site]:
    return [Jsonplaceholder(posts=20, comments=30, albums=10, photos=40, todos=12)]


def _edit(twin: Twin) -> None:
    site = twin.sites["jsonplaceholder"]
    assert isinstance(site, Jsonplaceholder)
    site.update("users", 2, email="New.Address@Example.ORG")
    site.update("todos", 5, completed=not site.records("todos")[4]["completed"])


def _add_products(twin: Twin) -> None:
    site = twin.sites["kaggle"]
    assert isinstance(site, Kaggle)
    site.archive = archive_of(12, sound=True)


def _products(world: World, first: str, second: str) -> None:
    """Eight products, then twelve of which the first eight are described anew."""
    products = "select first_run_key, count(*) from draenei_content.kaggle_products group by 1 order by 1"
    assert world.warehouse.rows(products) == [(first, 8), (second, 4)]
    assert world.warehouse.rows("select count(*) from ops.clean_files where source = 'kaggle'") == [(4,)]


def _wallpapers(world: World, first: str, second: str) -> None:
    versions = "select first_run_key, count(*) from draenei_content.wallpapers group by 1 order by 1"
    assert world.warehouse.rows(versions) == [(first, 24 + 6), (second, 3)]


def _placeholders(world: World, first: str, second: str) -> None:
    """An update upstream is an update here, and nothing else moves."""
    rows = world.warehouse.rows
    users = "select id, version_number, email, run_key, first_run_key from draenei_content.jsonplaceholder_users"
    assert rows(f"{users} where version_number > 1") == [(2, 2, "new.address@example.org", second, first)]
    assert rows("select id from draenei_content.jsonplaceholder_todos where version_number > 1") == [(5,)]
    still = "select count(*) from draenei_content.jsonplaceholder_posts where updated_at = first_seen_at"
    assert rows(f"{still} and last_seen_at > updated_at and version_number = 1") == [(20,)]
    assert rows("select first_run_key from draenei_content.jsonplaceholder_comments where id = 7") == [(first,)]
    audit = "select seen, inserted, updated, quarantined from draenei_content.run_audit order by run_id"
    assert rows(audit) == [(122, 122, 0, 0), (122, 0, 2, 0)]
    key = "select c.object_key from ops.clean_files as c join ops.pages as p using (page_id)"
    key += " where p.run_key = %s and p.entity = %s"
    tables = {entity: clean_rows(world, rows(key, second, entity)[0][0]) for entity in ("users", "photos", "comments")}
    assert tables["users"][1]["email"] == "new.address@example.org"
    assert tables["photos"][0].keys() == {"album_id", "id", "title", "url", "thumbnail_url"}
    assert 7 in {row["id"] for row in tables["comments"]}, "redriven into the clean zone too"


def _people(world: World, first: str, second: str) -> None:
    """A minute is a seed: ten people, then ten others."""
    people = "select first_run_key, count(*) from draenei_content.randomuser_people group by 1 order by 1"
    assert world.warehouse.rows(people) == [(first, 10), (second, 10)]


def _other_books(twin: Twin) -> None:
    site = twin.sites["sales"]
    assert isinstance(site, Sales)
    site.seed += 1


def _sales(world: World, first: str, second: str) -> None:
    """The facts are those of the latest file; whatever it lacks is deleted, and every key has one current row."""
    assert world.warehouse.rows("select count(*) from draenei_content.fct_sales") == [(LINES,)]
    current = "select count(*) - count(distinct product_code) from draenei_content.dim_products where is_current"
    assert world.warehouse.rows(current) == [(0,)]
    assert world.warehouse.rows("select distinct run_key from draenei_content.dim_products order by 1") == [
        (first,),
        (second,),
    ]


def digests(settings: Settings, source: str) -> dict[str, str]:
    """The canonical digests of a source's tables."""
    with closing(postgres.connect(settings, as_owner=True)) as connection, connection:
        return canonical_export.digests(connection, source)


def clean_rows(world: World, key: str) -> list[dict[str, Any]]:
    """The rows of a file of the clean zone."""
    return parquet.read(world.store.get(key))


CASES = {
    "wallhaven": Case(
        sites=list,
        url=lambda twin: twin.api_url,
        change=lambda twin: twin.catalogue.upload(3),
        victim=lambda twin: ("search", "id", twin.catalogue.ids[4]),
        requests=2,
        modelled=_wallpapers,
    ),
    "jsonplaceholder": Case(
        sites=_small,
        url=lambda twin: twin.site_url("jsonplaceholder"),
        change=_edit,
        victim=lambda twin: ("comments", "id", 7),
        requests=6,
        modelled=_placeholders,
    ),
    "kaggle": Case(
        sites=lambda: [Kaggle(8, sound=True)],
        url=lambda twin: twin.site_url("kaggle"),
        change=_add_products,
        victim=lambda twin: ("styles", "id", 1170),
        requests=2,
        modelled=_products,
        environ=lambda twin: {
            "KAGGLE_QUERY": DATASET,
            "KAGGLE_FILE_HOSTS": twin.image_host,
            "KAGGLE_USERNAME": USER,
            "KAGGLE_KEY": KEY,
        },
    ),
    "randomuser": Case(
        sites=lambda: [Randomuser()],
        url=lambda twin: twin.site_url("randomuser"),
        change=lambda twin: None,
        victim=lambda twin: ("users", "email", Randomuser().people(f"{MINUTE:%Y-%m-%dT%H:%M}", 4)[3]["email"]),
        requests=1,
        modelled=_people,
    ),
    "sales": Case(
        sites=lambda: [Sales()],
        url=lambda twin: twin.site_url("sales"),
        change=_other_books,
        victim=lambda twin: ("lines", "SALES", "4062.1"),
        requests=1,
        modelled=_sales,
        environ=lambda twin: {"SALES_FILE": f"{twin.site_url('sales')}/{FILE}"},
    ),
}


class World:
    """One source, its stand-in and a fresh warehouse; each run() is a minute later."""

    def __init__(self, name: str, twin: Twin, warehouse: Warehouse) -> None:
        self.name, self.twin, self.warehouse, self.case = name, twin, warehouse, CASES[name]
        self.source = CATALOGUE[name]
        self.environ = {f"{name.upper()}_API_URL": self.case.url(twin), f"{name.upper()}_RATE_PER_MINUTE": "100000"}
        self.environ |= self.case.environ(twin)
        given: dict[str, Any] = {setting.lower(): value for setting, value in self.environ.items()}
        self.settings = warehouse.settings(**given, quarantine_max_share=1, http_max_attempts=2)
        self.store = open_store(self.settings)
        self._minutes = 0

    def run(self) -> Run:
        """A new run, entered in ops.runs."""
        run = Run.at(access.query(self.settings, self.name), MINUTE + datetime.timedelta(minutes=self._minutes))
        self._minutes += 1
        with postgres.transaction(self.settings) as cursor:
            run_ledger.open_run(cursor, run, MADE_WITH)
        return run

    def fetch(self, run: Run, store: ObjectStore | None = None) -> None:
        """Fetch as the task does it."""
        if isinstance(self.source, Archived):
            result = archive.fetch_archive(self.settings, run, "", store or self.store, Silent())
        else:
            ask = crawl.crawl if isinstance(self.source, Listing) else fetch.fetch_requests
            result = ask(self.settings, run, store or self.store, Silent())
        with postgres.transaction(self.settings) as cursor:
            run_ledger.complete_step(cursor, run.key, "Fetch", datetime.datetime.now(datetime.UTC), result)

    def load(self, run: Run) -> dict[str, object]:
        """Load and Clean as the tasks do it."""
        entities = collected_entities(self.source)
        sums = load.load_entities(self.settings, run.key, self.name, entities, self.store, Silent())
        clean.clean(self.settings, run.key, self.name, self.store, Silent())
        return sums

    def refusing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """From here on the victim's schema refuses it."""
        entity, field, value = self.case.victim(self.twin)
        of, as_it_is = self.source.ENTITIES[entity], Entity.json_schema

        def stricter(self: Entity) -> dict[str, Any]:
            schema = as_it_is(self)
            refused = {"properties": {field: {"const": value}}, "required": [field]}
            return {**schema, "not": refused} if self is of else schema

        monkeypatch.setattr(Entity, "json_schema", stricter)


def started(name: str) -> Twin:
    """The stand-in of a source, small and without a limit."""
    return Twin(Catalogue.generate(30, small=True), rate_per_minute=1_000_000, sites=CASES[name].sites())
