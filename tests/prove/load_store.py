"""The bucket of the load proof, where one request in twenty goes wrong, and what must be in it in the end."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random

from tests.s3_double import Fault, Server, State

PUT_FAULTS = ("slow_down", "before_500", "lost_reply", "after_500")
GET_FAULTS = ("slow_down", "before_500")
PICTURES = "wallpapers/"


@dataclass
class StoreStorm(State):
    """Strikes a share of all puts and gets of pictures, whichever come."""

    share: float = 0.0
    dice: Random = field(default_factory=Random)

    def take_fault(self, method: str, key: str) -> Fault | None:
        """A fault that fits the request, or none."""
        kinds = {"PUT": PUT_FAULTS, "GET": GET_FAULTS}.get(method, ())
        with self.lock:
            if not kinds or not key.startswith(PICTURES) or self.dice.random() >= self.share:
                return None
            return Fault(self.dice.choice(kinds), method)


def in_bucket(double: Server) -> dict[str, str]:
    """Pictures by key: SHA-256."""
    versions = double.state.versions
    return {
        key: hashlib.sha256(of_key[-1].body).hexdigest() for key, of_key in versions.items() if key.startswith(PICTURES)
    }


def misplaced(objects: Mapping[str, str], site: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with the pictures, in words. SHA-256 by key of objects, by id of those of the site that were to be
    stored."""
    there = {key.rpartition("/")[2].partition(".")[0]: digest for key, digest in objects.items()}
    if wrong := there.items() ^ site.items():
        yield f"{len({name for name, _ in wrong})} pictures are missing, too many or not the site's"
