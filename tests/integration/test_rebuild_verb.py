"""`replay --from-raw` as a user types it: one run, a range, and words for what cannot be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from luigi_tasks import settings
from luigi_tasks.domain.errors import SettingsError
from luigi_tasks.gateways import canonical_export
from luigi_tasks.settings import Settings
from luigi_tasks.verbs.replay import replay
from tests.conftest import Warehouse
from tests.integration.source_cases import World, started

BATCHES = "select r.run_id, l.batch_id from ops.loads l join ops.runs r using (run_key)"
RUNS = ("2026-11-21T07:00", "2026-11-21T07:01", "2026-11-21T07:02")


class Rebuilding:
    """Three minutes of randomuser, each ten people of their own, and what each left."""

    def __init__(self, world: World) -> None:
        self.world, self.rows = world, world.warehouse.rows
        for _ in RUNS:
            run = world.run()
            world.fetch(run)
            world.load(run)
        self.whole = self.digests()

    def digests(self) -> dict[str, str]:
        """Of what Load fills."""
        tables = [
            table for table in canonical_export.tables_of("randomuser") if table.name.startswith(("raw.", "ops."))
        ]
        connection = self.world.warehouse.connect()
        try:
            with connection:
                return {table.name: canonical_export.digest(connection, table)[0] for table in tables}
        finally:
            connection.close()

    def damage(self, *runs: str) -> None:
        """The first person of these minutes is lost."""
        self.rows(
            "delete from raw.randomuser_users u using ops.loads l join ops.runs r using (run_key)"
            " where u.body_sha256 = l.body_sha256 and u.position = 0 and r.run_id = any(%s)",
            list(runs),
        )

    def there(self) -> list[str]:
        """The runs whose first person is there."""
        sql = (
            "select r.run_id from ops.loads l join ops.runs r using (run_key)"
            " join raw.randomuser_users u using (body_sha256) where u.position = 0 order by 1"
        )
        return [run_id for (run_id,) in self.rows(sql)]

    def verb(self, *words: str) -> Result:
        """The verb, in this process."""
        return CliRunner().invoke(replay, ["--source", "randomuser", *words])


@pytest.fixture
def own(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings that the verb finds."""
    own = warehouse.settings()
    monkeypatch.setattr(settings, "load", lambda: own)
    return own


@pytest.fixture
def rebuilding(warehouse: Warehouse, own: Settings) -> Iterator[Rebuilding]:
    with started("randomuser") as twin:
        yield Rebuilding(World("randomuser", twin, warehouse))


@pytest.mark.prove
def test_one_run_then_a_range_are_made_anew_and_nothing_else(rebuilding: Rebuilding) -> None:
    assert rebuilding.there() == list(RUNS)
    asked = len(rebuilding.world.twin.requests)
    rebuilding.damage(RUNS[1])
    assert rebuilding.there() == [RUNS[0], RUNS[2]]
    one = rebuilding.verb("--from-raw", "--run", RUNS[1])
    assert one.exit_code == 0, one.output
    assert one.output.splitlines()[-1].startswith("runs 1  pages 1  received 10  loaded 10")
    assert rebuilding.there() == list(RUNS)
    rebuilding.damage(*RUNS[1:])
    batches = dict(rebuilding.rows(BATCHES))
    some = rebuilding.verb("--from-raw", "--run", RUNS[1], "--to", "2026-11-30T00:00")
    assert some.exit_code == 0, some.output
    assert some.output.splitlines()[-1].startswith("runs 2  pages 2  received 20  loaded 20")
    assert rebuilding.digests() == rebuilding.whole
    remade = {run_id for run_id, batch in rebuilding.rows(BATCHES) if batch != batches[run_id]}
    assert remade == set(RUNS[1:]), "what is outside the range is left alone"
    assert len(rebuilding.world.twin.requests) == asked, "the raw zone was enough"


@pytest.mark.parametrize(
    "words",
    [
        ("--from-raw",),
        ("--run", RUNS[0]),
        ("--to", RUNS[0]),
        ("--from-raw", "--run", RUNS[0], "--diff"),
        ("--from-raw", "--run", RUNS[0], "--into", "other"),
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("own")
def test_options_that_do_not_fit_are_refused_with_the_way(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(replay, [*words])
    assert isinstance(done.exception, SettingsError)
    assert "Name them: --from-raw --run ID, or --run ID --to ID." in str(done.exception)


@pytest.mark.usefixtures("own")
def test_a_run_that_the_raw_zone_does_not_have_is_said() -> None:
    done = CliRunner().invoke(replay, ["--source", "sales", "--from-raw", "--run", RUNS[0]])
    assert isinstance(done.exception, SettingsError)
    assert f"the raw zone has no run of sales from {RUNS[0]} to {RUNS[0]}" in str(done.exception)
