"""What was tried beside the proofs, kept in var/ and said in docs/guarantees.md: planted bugs, and the pipeline's load.

`python -m tests.prove.tried` puts what is kept into the document that is there; nothing is said of what is not kept.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.prove import document, promises

BUGS = Path(__file__).parent / "bugs"
VAR = Path(__file__).parents[2] / "var"
POWER, LOAD = "power.json", "load.json"
MIB = 1 << 20
POWER_SAYS = (
    "Of {} planted bugs {} were caught when each was last tried, since {}; {} of {} that were also tried in the kill"
    " campaign broke an invariant there."
)
LOAD_SAYS = (
    "On {} `make prove-load` ran {} records and {} pictures with {} processes in {} s, {} % of all requests faulted,"
    " with {} violations; all processes together had up to {} MiB at a tenth of the pictures and {} MiB at the end."
)
FIGURE = r"([\d.,-]+)"


@dataclass(frozen=True)
class Tried:
    """What came of a planted bug. patch: SHA-256 of the file, so that one that was changed since counts as untried.

    caught_by: a test, '' for none; seen_by: an invariant of the campaign, '' for none, None when it was not asked.
    on: the day, as ISO.
    """

    patch: str
    caught_by: str
    seen_by: str | None
    on: str

    @property
    def caught(self) -> bool:
        """True when all that were to notice have."""
        return bool(self.caught_by) and self.seen_by != ""


@dataclass(frozen=True)
class Load:
    """What a whole load run came to. bytes: the most that all processes had while a tenth of the
    pictures was published, and while all were."""

    records: int
    pictures: int
    processes: int
    seconds: float
    faulted: float
    violations: int
    bytes_at_a_tenth: int
    bytes_at_the_end: int
    on: str

    def __str__(self) -> str:
        sizes = (f"{self.bytes_at_a_tenth / MIB:.0f}", f"{self.bytes_at_the_end / MIB:.0f}")
        counts = (f"{self.records:,}", f"{self.pictures:,}", str(self.processes), f"{self.seconds:.0f}")
        return LOAD_SAYS.format(self.on, *counts, f"{100 * self.faulted:.1f}", self.violations, *sizes)


def keep_bugs(verdicts: Mapping[str, Tried], folder: Path = VAR) -> None:
    """Write verdicts by the bug's name; those of other bugs stay."""
    folder.mkdir(exist_ok=True)
    kept = {**bugs_of(folder), **verdicts}
    (folder / POWER).write_text(json.dumps({name: asdict(one) for name, one in kept.items()}, indent=1))


def bugs_of(folder: Path = VAR) -> dict[str, Tried]:
    """The verdicts that are kept."""
    path = folder / POWER
    return {name: Tried(**one) for name, one in json.loads(path.read_text()).items()} if path.exists() else {}


def keep_load(load: Load, folder: Path = VAR) -> None:
    """Write it in place of what was kept."""
    folder.mkdir(exist_ok=True)
    (folder / LOAD).write_text(json.dumps(asdict(load), indent=1))


def sentences(patches: Mapping[str, str], folder: Path = VAR) -> tuple[str, ...]:
    """What is kept, in words. patches: SHA-256 of every bug that there is; one that is untried lets none be counted."""
    kept, path = bugs_of(folder), folder / LOAD
    known = [kept[name] for name, patch in patches.items() if name in kept and kept[name].patch == patch]
    power = (_of_bugs(known),) if known and len(known) == len(patches) else ()
    return (*power, *((str(Load(**json.loads(path.read_text()))),) if path.exists() else ()))


def _of_bugs(known: list[Tried]) -> str:
    asked = [one.seen_by for one in known if one.seen_by is not None]
    caught, since = sum(one.caught for one in known), min(one.on for one in known)
    return POWER_SAYS.format(len(known), caught, since, sum(map(bool, asked)), len(asked))


def sentences_in(text: str) -> tuple[str, ...]:
    """Those that a document says, in their order."""
    patterns = [re.escape(says).replace(r"\{\}", FIGURE) for says in (POWER_SAYS, LOAD_SAYS)]
    return tuple(found[0] for pattern in patterns if (found := re.search(pattern, text)))


def patches() -> dict[str, str]:
    """SHA-256 of every bug's patch, by its name."""
    return {path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(BUGS.glob("*.patch"))}


def tell(*, write: bool, path: Path = document.PATH, folder: Path = VAR) -> None:
    """Print what is kept; write: into the document too, whose other numbers stay."""
    said = sentences(patches(), folder)
    print(*said or ["nothing is kept of what the document would say"], sep="\n")
    if write:
        text = path.read_text()
        cases, ran = document.cases_in(text), document.ran_in(text)
        path.write_text(document.markdown(promises.load(), cases, ran, said))


if __name__ == "__main__":
    tell(write=True)
