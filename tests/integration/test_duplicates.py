"""Duplicates in the warehouse, by the dbt models themselves: recall, policy, verdicts, increments as a full refresh."""

from __future__ import annotations

import dataclasses
import itertools
import os
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence

import pytest

from luigi_tasks.gateways import postgres
from luigi_tasks.gateways.embedded_postgres import Server
from luigi_tasks.steps import model
from tests.conftest import Warehouse, database
from tests.integration.duplicate_fixtures import Duplicates, Stored, measured
from tests.integration.embedded_postgres_probes import wait_until

ALL = (1 << 64) - 1
PAIRS = "select wallhaven_id_a, wallhaven_id_b, kind, verdict from draenei_content.duplicate_pairs"
BLOCKS = "select blks_hit + blks_read from pg_stat_database where datname = current_database()"
IDLE = "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'dbt'"
LEFT = "select count(*) from ops.picture_changes"
BRUTE_FORCE, FIFTHS = 3000, (0, 13, 26, 39, 52, 64)


@pytest.fixture(scope="module")
def duplicates(postgres_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Duplicates]:
    """One warehouse for all tests here: each has pictures of its own, far from every other's."""
    folder = tmp_path_factory.mktemp("duplicates")
    name = f"test_duplicates_{os.environ.get('PYTEST_XDIST_WORKER', 'gw0')}"
    with database(postgres_server, name) as dbname:
        made = Duplicates.of(Warehouse(postgres_server, dbname, folder), folder)
        built = made.build(*model.selection("wallhaven"), tested=False)
        assert {"duplicate_verdicts", "duplicate_pairs", "duplicate_clusters"} <= built, "a run builds them"
        yield made


def flipped(bits: int, number: int, chance: random.Random) -> int:
    """The same hash but for so many bits."""
    for place in chance.sample(range(64), number):
        bits ^= 1 << place
    return bits


def hashes(chance: random.Random) -> tuple[int, int]:
    return chance.getrandbits(64), chance.getrandbits(64)


def family(name: str, *distances: tuple[int, int], **different: object) -> list[Stored]:
    """name0, and for each distance (dhash, phash) a picture that far from it, away from each other."""
    chance = random.Random(name)
    dhash, phash = hashes(chance)
    first = Stored(f"{name}0", dhash, phash)
    places = chance.sample(range(64), 64)
    family, taken = [first], 0
    for number, (one, other) in enumerate(distances, start=1):
        own = [places[(taken + step) % 64] for step in range(max(one, other))]
        taken += len(own)
        bits = [sum(1 << place for place in own[:width]) for width in (one, other)]
        family.append(Stored(f"{name}{number}", dhash ^ bits[0], phash ^ bits[1], **different))
    return family


def clusters(duplicates: Duplicates, name: str) -> set[tuple[str, ...]]:
    return {members for members in duplicates.clusters().values() if members[0].startswith(name)}


def near(pictures: Sequence[Stored]) -> set[tuple[str, str]]:
    """The pairs that are near, with the distances written down here again."""
    found = set()
    for a, b in candidates(pictures):
        one, other = (a.dhash ^ b.dhash).bit_count(), (a.phash ^ b.phash).bit_count()
        if min(one, other) <= 4 and max(one, other) <= 10:
            found.add((a.wallhaven_id, b.wallhaven_id))
    return found


def candidates(pictures: Sequence[Stored]) -> Iterator[tuple[Stored, Stored]]:
    """All pairs; of many pictures those with an equal fifth of a hash: four bits that differ leave one fifth alone."""
    if len(pictures) <= BRUTE_FORCE:
        yield from itertools.combinations(pictures, 2)
        return
    alike = defaultdict(list)
    for number, picture in enumerate(pictures):
        for kind, bits in enumerate((picture.dhash, picture.phash)):
            for start, end in itertools.pairwise(FIFTHS):
                alike[kind, start, bits >> start & ((1 << end - start) - 1)].append(number)
    pairs = {pair for numbers in alike.values() for pair in itertools.combinations(numbers, 2)}
    yield from ((pictures[a], pictures[b]) for a, b in pairs)


def planted(number: int, chance: random.Random, name: str) -> list[Stored]:
    """Random pictures; a quarter are another's copy with up to 7 and up to 13 bits flipped in the two kinds."""
    made: list[Stored] = []
    for index in range(number):
        pair = hashes(chance)
        if made and chance.random() < 0.25:
            widths = [chance.randint(0, 7), chance.randint(0, 13)]
            chance.shuffle(widths)
            origin = chance.choice(made)
            pair = (flipped(origin.dhash, widths[0], chance), flipped(origin.phash, widths[1], chance))
        made.append(Stored(f"{name}{index:06}", *pair))
    return made


@pytest.mark.parametrize("number", [3000, pytest.param(20_000, marks=pytest.mark.prove)])
def test_every_near_pair_is_found_and_no_other(duplicates: Duplicates, number: int) -> None:
    name = f"r{number}"
    pictures = planted(number, random.Random(number), name)
    half = len(pictures) // 2
    duplicates.store(*pictures[:half])
    duplicates.build()
    duplicates.store(*pictures[half:])
    duplicates.build()
    expected = near(pictures)
    found = {(a, b) for a, b, kind, _ in duplicates.warehouse.rows(PAIRS) if a.startswith(name) and kind == "near"}
    assert len(expected) > 300
    assert found == expected
    assert duplicates.warehouse.rows(LEFT) == [(0,)]


def test_both_hashes_and_the_colours_have_to_agree_and_plain_pictures_are_set_aside(duplicates: Duplicates) -> None:
    duplicates.store(*family("near", (4, 10), (10, 4)))
    duplicates.store(*family("far", (0, 11), (11, 0), (5, 5)))
    duplicates.store(*family("hue", (0, 0), colour="#ff8080"))
    plain = [dataclasses.replace(picture, entropy=2.9) for picture in family("plain", (0, 0))]
    same = [dataclasses.replace(picture, entropy=0.0, body="same") for picture in family("same", (0, 0))]
    duplicates.store(*plain, *same)
    duplicates.build()
    assert clusters(duplicates, "near") == {("near0", "near1", "near2")}
    assert clusters(duplicates, "far") == clusters(duplicates, "hue") == clusters(duplicates, "plain") == set()
    assert clusters(duplicates, "same") == {("same0", "same1")}
    kinds = {(a, b): kind for a, b, kind, _ in duplicates.warehouse.rows(PAIRS)}
    assert kinds["same0", "same1"] == "exact"


def test_the_canonical_one_has_most_pixels_then_is_oldest_then_first(duplicates: Duplicates) -> None:
    large = family("large", (1, 1), (2, 2), (0, 0))
    large[2] = dataclasses.replace(large[2], size=(3840, 2160))
    old = family("old", (0, 1), (1, 0))
    duplicates.store(*large, *old, *family("first", (0, 1), (1, 0)))
    duplicates.warehouse.rows(
        "insert into draenei_content.wallpapers (wallhaven_id, upload_status, upload_attempts, first_seen_at,"
        " last_seen_at, updated_at, metrics_updated_at, first_run_key, run_key, page_name, uploaded_at)"
        " select wallhaven_id, 'stored', 1, now(), now(), now(), now(), 'x', 'x', 'x', uploaded_at"
        " from (values ('old1', timestamptz '2015-01-01'), ('old0', '2016-01-01')) as known (wallhaven_id, uploaded_at)"
    )
    duplicates.build()
    canonical = {members[0]: canonical for canonical, members in duplicates.clusters().items()}
    assert (canonical["large0"], canonical["old0"], canonical["first0"]) == ("large2", "old1", "first0")


def test_a_person_wins_over_the_machine(duplicates: Duplicates) -> None:
    chain = family("chain", (2, 2), (2, 2), (2, 2))
    apart = family("apart", (20, 20))
    duplicates.store(*chain, *apart)
    duplicates.build()
    assert clusters(duplicates, "chain") == {("chain0", "chain1", "chain2", "chain3")}
    assert clusters(duplicates, "apart") == set()
    duplicates.judge(
        (chain[1].sha256, chain[2].sha256, "different"),
        (apart[1].sha256, apart[0].sha256, "same"),
        ("0" * 64, "1" * 64, "same"),
    )
    duplicates.build()
    assert clusters(duplicates, "chain") == {("chain0", "chain1", "chain3")}, "0 and 3 are near to both"
    assert clusters(duplicates, "apart") == {("apart0", "apart1")}
    verdicts = {(a, b): (kind, verdict) for a, b, kind, verdict in duplicates.warehouse.rows(PAIRS) if verdict}
    assert verdicts == {("chain1", "chain2"): ("near", "different"), ("apart0", "apart1"): ("verdict", "same")}
    before = duplicates.tables()
    duplicates.build(DBT_FULL_REFRESH="true")
    assert duplicates.tables() == before
    duplicates.judge()
    duplicates.build()
    assert clusters(duplicates, "chain") == {("chain0", "chain1", "chain2", "chain3")}
    assert clusters(duplicates, "apart") == set()


def test_what_is_lost_or_measured_anew_leaves_and_the_rest_is_as_a_full_refresh(duplicates: Duplicates) -> None:
    bridge = family("bridge", (6, 4), (4, 6))
    moved, lost = family("moved", (0, 0)), family("lost", (1, 1))
    duplicates.store(*bridge, *moved, *lost)
    duplicates.build()
    assert clusters(duplicates, "bridge") == {("bridge0", "bridge1", "bridge2")}
    duplicates.warehouse.rows("update ops.uploads set lost_at = now() where wallhaven_id in ('bridge0', 'lost0')")
    duplicates.warehouse.rows("update ops.image_metadata set dhash = ~dhash where sha256 = %s", moved[1].sha256)
    duplicates.warehouse.rows("update ops.uploads set modelled_in = 'another' where wallhaven_id = 'moved0'")
    assert duplicates.warehouse.rows(
        "select distinct wallhaven_id from ops.picture_changes where model = 'duplicate_pairs' order by 1"
    ) == [("bridge0",), ("lost0",), ("moved1",)]
    duplicates.build()
    assert not {"bridge0", "lost0"} & {row[0] for row in duplicates.tables()[0]}
    for name in ("bridge", "moved", "lost"):
        assert clusters(duplicates, name) == set()
    before = duplicates.tables()
    duplicates.build(DBT_FULL_REFRESH="true")
    assert duplicates.tables() == before


def blocks(duplicates: Duplicates) -> int:
    """All that its database has touched so far; a backend says so when it ends."""
    wait_until(lambda: duplicates.warehouse.rows(IDLE) == [(0,)])
    return int(duplicates.warehouse.rows(BLOCKS)[0][0])


def cost(duplicates: Duplicates) -> int:
    """Blocks of a build."""
    before = blocks(duplicates)
    duplicates.build(tested=False)
    return blocks(duplicates) - before


def test_ten_thousand_ids_of_the_same_bytes_cost_as_many_and_one_more_costs_less(duplicates: Duplicates) -> None:
    number, chance = 10_000, random.Random(1)
    copy = Stored("many0", *hashes(chance), body="placeholder")
    near = [
        dataclasses.replace(copy, wallhaven_id=f"many{n}", dhash=flipped(copy.dhash, 2, chance), body="") for n in "xyz"
    ]
    duplicates.store(*near, *(dataclasses.replace(copy, wallhaven_id=f"many{n:05}") for n in range(number)))
    at_first = cost(duplicates)
    pairs = [row for row in duplicates.warehouse.rows(PAIRS) if row[0].startswith("many")]
    assert {row[:2] for row in pairs if row[2] == "exact"} == {("many00000", f"many{n:05}") for n in range(1, number)}
    assert len([row for row in pairs if row[2] == "near"]) == 6, "every two of four bytes"
    assert len(clusters(duplicates, "many").pop()) == number + 3
    duplicates.store(dataclasses.replace(copy, wallhaven_id="many50000"))
    one_more = cost(duplicates)
    assert (at_first < 200 * number, one_more < 60 * number) == (True, True), (at_first, one_more)


def expected_pairs(pictures: Sequence[Stored]) -> set[tuple[str, str, str]]:
    """Written down here again: of each bytes the first stands for all."""
    firsts: dict[str, Stored] = {}
    exact = set()
    for picture in sorted(pictures, key=lambda one: one.wallhaven_id):
        first = firsts.setdefault(picture.sha256, picture)
        if first is not picture:
            exact.add((first.wallhaven_id, picture.wallhaven_id, "exact"))
    return exact | {(min(pair), max(pair), "near") for pair in near(list(firsts.values()))}


def test_after_any_history_of_copies_the_tables_are_those_of_a_full_refresh(duplicates: Duplicates) -> None:
    chance = random.Random(42)
    bodies = [
        dataclasses.replace(one, body=f"{family_name}{number}")
        for family_name in ("hist-a", "hist-b", "hist-c")
        for number, one in enumerate(family(family_name, (2, 3), (3, 2), (4, 8)))
    ]
    known: dict[str, Stored] = {}
    lost: dict[str, Stored] = {}
    for build in range(4):
        for _ in range(25):
            name, body = f"hist{chance.randrange(60):02}", chance.choice(bodies)
            if name in lost:
                known[name] = lost.pop(name)
                duplicates.warehouse.rows("update ops.uploads set lost_at = null where wallhaven_id = %s", name)
            elif name not in known:
                known[name] = dataclasses.replace(body, wallhaven_id=name)
                duplicates.store(known[name])
            elif chance.random() < 0.7:
                lost[name] = known.pop(name)
                duplicates.warehouse.rows("update ops.uploads set lost_at = now() where wallhaven_id = %s", name)
            else:
                known[name] = dataclasses.replace(body, wallhaven_id=name)
                duplicates.warehouse.rows(
                    "update ops.uploads set sha256 = %s where wallhaven_id = %s", known[name].sha256, name
                )
                with postgres.transaction(duplicates.warehouse.settings(), as_owner=True) as cursor:
                    measured(cursor, [known[name]])
        duplicates.judge((bodies[build].sha256, bodies[build + 1].sha256, ("same", "different")[build % 2]))
        duplicates.build()
        found = {
            row[:3] for row in duplicates.warehouse.rows(PAIRS) if row[0].startswith("hist") and row[2] != "verdict"
        }
        assert found == expected_pairs(list(known.values()))
    assert duplicates.warehouse.rows(LEFT) == [(0,)]
    before = duplicates.tables()
    duplicates.build(DBT_FULL_REFRESH="true")
    assert duplicates.tables() == before
