"""Precision and recall of the machine's duplicates on labelled pictures, by the dbt models themselves.

python -m benchmarks.duplicates --images DIR [--truth benchmarks/wallpapers_truth.csv] [--sweep] [--hold-out 200]

The truth is CSV: file, motif, crop. Two files of one motif and one crop are duplicates; two of one motif and different
crops, as a portrait cut from a landscape, are counted apart; a file that is not in it is the only one of its motif,
look-alikes in other colours included. --sweep: what other distances would give, without clusters. --hold-out: so many
times half of the motifs choose the thresholds and the other half, which they have not seen, is what they are judged by.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import hashlib
import itertools
import operator
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from PIL import Image

from benchmarks import measurements
from luigi_tasks.domain.derivatives import Derived, Facts, Wanted
from luigi_tasks.domain.errors import PipelineError
from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways import dbt_profile, derivative_ledger, embedded_postgres, postgres
from luigi_tasks.gateways.dbt import Dbt
from luigi_tasks.settings import Settings
from luigi_tasks.steps.measuring import measure
from luigi_tasks.steps.rendering import Source
from luigi_tasks.warehouse import migrate

Pair = tuple[str, str]
Distances = tuple[int, int, float]
POLICIES = tuple(itertools.product(range(1, 9), range(4, 17, 2), (14, 18, 22, 26, 30, 40, 442)))
RUN = """
insert into ops.runs (run_key, source, query_key, query, parameters, run_id, state, code_version, settings_sha256,
    source_address)
values ('wallhaven/x/0', 'wallhaven', 'wallhaven/x', 'x', '{}', '0', 'succeeded', '', '', '')
"""
UPLOAD = """
insert into ops.uploads (run_key, wallhaven_id, attempt, outcome, s3_key, sha256, bytes, started_at)
values ('wallhaven/x/0', %s, 1, 'stored', %s, %s, %s, now())
"""
CLUSTERED = """
select ones.wallhaven_id, others.wallhaven_id
from draenei_content.duplicate_clusters as ones
inner join draenei_content.duplicate_clusters as others using (cluster_id)
where ones.wallhaven_id collate "C" < others.wallhaven_id
"""
PLAIN = "select wallhaven_id from draenei_intermediate.int_picture_hashes where is_plain order by 1"


def measured(path: Path) -> tuple[str, str, int, Facts]:
    """A file's name, SHA-256, length and facts."""
    Image.MAX_IMAGE_PIXELS = None
    body = path.read_bytes()
    return path.name, hashlib.sha256(body).hexdigest(), len(body), measure(Source(body))


def fill(settings: Settings, pictures: list[tuple[str, str, int, Facts]]) -> None:
    """The pictures as stored and measured, in a warehouse that has nothing else."""
    with contextlib.closing(postgres.connect(settings, "benchmark", as_owner=True)) as connection:
        migrate.migrate(connection)
        with connection, connection.cursor() as cursor:
            cursor.execute(RUN)
            for name, sha256, size, facts in pictures:
                cursor.execute(UPLOAD, (name, name, sha256, size))
                derivative_ledger.enter(cursor, Derived(Wanted(sha256, name, size, True, ()), facts, ()), "benchmark")


def clustered(pictures: list[tuple[str, str, int, Facts]]) -> tuple[set[Pair], list[str]]:
    """Pairs that share a cluster of the models', and the pictures that were set aside, on a server for the occasion."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        server = embedded_postgres.ensure_running(home)
        try:
            settings = Settings(
                pghost=server.host,
                pgport=server.port,
                pguser=server.user,
                pgpassword=server.password,
                pgdatabase=server.dbname,
                draenei_home=home,
            )
            fill(settings, pictures)
            dbt_profile.write_profile(home / "dbt", None)
            variables = {**postgres.address(settings), "DRAENEI_DBT_ROLE": ""}
            built = Dbt(variables, home / "dbt").build(Silent(), ("+duplicate_clusters",), ("unit_test", "test"))
            built.raise_when_failed()
            with postgres.transaction(settings, as_owner=True) as cursor:
                cursor.execute(CLUSTERED)
                pairs = {(one, other) for one, other in cursor.fetchall()}
                cursor.execute(PLAIN)
                return pairs, [name for (name,) in cursor.fetchall()]
        finally:
            embedded_postgres.stop(home)


def labelled(path: Path) -> tuple[set[Pair], set[Pair]]:
    """Pairs of one motif and one crop; pairs of one motif in different crops."""
    same, crops = set(), set()
    with path.open(newline="") as file:
        rows = sorted((row["file"], row["motif"], row["crop"]) for row in csv.DictReader(file))
    for (one, motif, crop), (other, other_motif, other_crop) in itertools.combinations(rows, 2):
        if motif == other_motif:
            (same if crop == other_crop else crops).add((one, other))
    return same, crops


def score(found: set[Pair], same: set[Pair], crops: set[Pair]) -> str:
    """A line of figures."""
    rates = rates_of(found, same, crops)
    return (
        f"precision {rates['precision']:.3f} ({len(found - same - crops)} wrong of {len(found)}), "
        f"recall {rates['recall']:.3f} of {len(same)} pairs of one crop, "
        f"{len(found & crops)} of {len(crops)} in another crop"
    )


def rates_of(found: set[Pair], same: set[Pair], crops: set[Pair]) -> dict[str, float]:
    """Precision and recall. A pair in another crop is right when found and not missed when not."""
    precision = len(found & (same | crops)) / len(found) if found else 1.0
    return {"precision": precision, "recall": len(found & same) / len(same)}


def mean_colour(facts: Facts) -> list[float]:
    """As the models have it."""
    whole = sum(colour.share for colour in facts.colours)
    channels = [bytes.fromhex(colour.hex[1:]) for colour in facts.colours]
    return [
        sum(rgb[place] * colour.share for rgb, colour in zip(channels, facts.colours, strict=True)) / whole
        for place in range(3)
    ]


def distances_of(known: Mapping[str, Facts]) -> dict[Pair, Distances]:
    """Of each pair: bits of the nearer hash, bits of the other, how far the mean colours are apart."""
    distances = {}
    for one, other in itertools.combinations(sorted(known), 2):
        a, b = known[one], known[other]
        low, high = sorted(((a.dhash ^ b.dhash).bit_count(), (a.phash ^ b.phash).bit_count()))
        apart = sum((x - y) ** 2 for x, y in zip(mean_colour(a), mean_colour(b), strict=True)) ** 0.5
        distances[one, other] = (low, high, apart)
    return distances


def held_out(distances: Mapping[Pair, Distances], same: set[Pair], crops: set[Pair], rounds: int) -> str:
    """A line of figures over all rounds: pairs of which at least one picture is of an unseen motif."""
    found = {most: {p for p, d in distances.items() if all(map(operator.le, d, most))} for most in POLICIES}
    motifs: dict[str, str] = {}
    for one, other in sorted(same | crops):
        motifs[other] = motifs.setdefault(one, one)
    dice, right, wrong, missed = random.Random(1), 0, 0, 0
    for _ in range(rounds):
        everything = sorted({motifs.get(name, name) for pair in distances for name in pair})
        seen = set(dice.sample(everything, len(everything) // 2))
        inside = {pair for pair in distances if all(motifs.get(name, name) in seen for name in pair)}
        merits = {most: _f1(pairs & inside - crops, same & inside) for most, pairs in found.items()}
        best = [most for most in POLICIES if merits[most] == max(merits.values())]
        chosen = found[best[len(best) // 2]] - inside - crops  # the middle of what is equally good
        right, wrong = right + len(chosen & same), wrong + len(chosen - same)
        missed += len(same - inside - chosen)
    return (
        f"{f'half of the motifs unseen, {rounds} times':44} precision {right / (right + wrong):.3f} "
        f"({wrong} wrong of {right + wrong}), "
        f"recall {right / (right + missed):.3f} of {right + missed} pairs of one crop"
    )


def _f1(found: set[Pair], same: set[Pair]) -> float:
    return 2 * len(found & same) / (len(found) + len(same) or 1)


def sweep(distances: Mapping[Pair, Distances], same: set[Pair], crops: set[Pair]) -> Iterator[str]:
    """Lines of other policies, pair by pair."""

    def line(title: str, policy: Callable[[float, float, float], bool]) -> str:
        return f"{title:44} {score({pair for pair, d in distances.items() if policy(*d)}, same, crops)}"

    for most in (3, 6, 10, 14):
        yield line(f"either hash <= {most}", lambda low, _high, _colour, most=most: low <= most)
    for most in (3, 6, 10, 14):
        yield line(f"both <= {most}", lambda _low, high, _colour, most=most: high <= most)
    for low_most, high_most in ((3, 10), (4, 10), (6, 10), (4, 12), (6, 12)):
        for most in (22, 442):
            yield line(
                f"one <= {low_most}, the other <= {high_most}, colour <= {most}",
                lambda low, high, colour, a=low_most, b=high_most, c=most: low <= a and high <= b and colour <= c,
            )


def main() -> int:
    """Measure and say."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.duplicates")
    parser.add_argument("--images", type=Path, required=True, metavar="DIR")
    parser.add_argument("--truth", type=Path, default=Path(__file__).with_name("wallpapers_truth.csv"), metavar="FILE")
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument("--hold-out", type=int, default=0, metavar="TIMES")
    measurements.add_options(parser)
    options = parser.parse_args()
    paths = [path for path in sorted(options.images.iterdir()) if path.suffix in {".jpg", ".jpeg", ".png"}]
    with ProcessPoolExecutor() as pool:
        pictures = list(pool.map(measured, paths))
    same, crops = labelled(options.truth)
    unknown = {name for pair in same | crops for name in pair} - {name for name, *_ in pictures}
    if unknown:
        raise PipelineError(
            f"{len(unknown)} files of the truth are not there, such as {min(unknown)}",
            where=str(options.images),
            mend="Name the folder of the pictures that the truth is about, or another truth.",
        )
    found, plain = clustered(pictures)
    print(f"{len(pictures)} pictures, {len(plain)} of them plain")
    print(f"{'the models':44} {score(found, same, crops)}")
    for title, pairs in (("wrong", found - same - crops), ("missed", same - found)):
        for one, other in sorted(pairs):
            print(f"  {title}: {one} {other}")
    known = {name: facts for name, _, _, facts in pictures if name not in plain}
    if options.sweep:
        print(*sweep(distances_of(known), same, crops), sep="\n")
    if options.hold_out:
        print(held_out(distances_of(known), same, crops, options.hold_out))
    offered = {"images": options.images.resolve().name, "pictures": len(pictures), "truth": options.truth.name}
    figures = {"the models": rates_of(found, same, crops)}
    return measurements.keep("duplicates", offered, figures, more_is_better=figures["the models"])


if __name__ == "__main__":
    sys.exit(main())
