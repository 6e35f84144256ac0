"""A circuit breaker for each image host: who does not answer is left alone, and its pictures are not charged.

Failures weigh by what they say of the host. No connection or a 429 is the host's own doing; a time-out, a reset or a
5xx may be this picture's alone, and of 90 dead pictures in 100 there are 64 in a row once in a thousand times. Any
other answer, also a 404 or half a picture, clears the account.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from luigi_tasks.domain.publishing import Outcome, UploadOutcome

LIMIT = 64
OF_THE_HOST = 8
NOT_CONNECTED = frozenset({"cannot connect", "connection timed out", "host name not resolved", "TLS failed"})
PAUSES_SECONDS = (1.0, 3.0)  # before each trial; when the last one fails too, the host is given up for this run


def suspicion(outcome: UploadOutcome) -> int:
    """How much an outcome speaks against the host: 0 to LIMIT."""
    if outcome.outcome is Outcome.THROTTLED or outcome.reason in NOT_CONNECTED:
        return OF_THE_HOST
    return 1 if outcome.outcome is Outcome.UNREACHABLE else 0


@dataclass
class _Circuit:
    weight: int = 0
    trips: int = 0
    closed_from: float = 0.0
    on_trial: bool = False
    reason: str = ""


class Breaker:
    """The circuits of all hosts. Not safe for threads: the caller holds its own lock. Times are seconds of `clock`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._circuits = clock, dict[str, _Circuit]()

    def admits(self, host: str) -> bool:
        """True when a picture of the host may be asked for now; after a pause for one at a time, as a trial."""
        circuit = self._circuits.setdefault(host, _Circuit())
        if not circuit.trips:
            return True
        if circuit.on_trial or self.gave_up(host) or self._clock() < circuit.closed_from:
            return False
        circuit.on_trial = True
        return True

    def gave_up(self, host: str) -> bool:
        """True when every trial failed."""
        return host in self._circuits and self._circuits[host].trips > len(PAUSES_SECONDS)

    def note(self, host: str, outcome: UploadOutcome, *, patient: bool = False) -> None:
        """Take an outcome into account. patient: of a second try, of which only the host's own faults count."""
        circuit, weight = self._circuits.setdefault(host, _Circuit()), suspicion(outcome)
        if patient and weight == 1 and not circuit.on_trial:
            return
        if not weight:
            self._circuits[host] = _Circuit()
            return
        circuit.weight, circuit.reason = circuit.weight + weight, outcome.reason
        if circuit.on_trial or (not circuit.trips and circuit.weight >= LIMIT):
            circuit.trips, circuit.on_trial = circuit.trips + 1, False
            circuit.closed_from = self._clock() + PAUSES_SECONDS[min(circuit.trips, len(PAUSES_SECONDS)) - 1]

    def drop(self, host: str) -> None:
        """An attempt ended without an outcome: a trial may be made by another."""
        self._circuits.setdefault(host, _Circuit()).on_trial = False

    def stopped(self) -> tuple[str, ...]:
        """A sentence for each host that was given up."""
        return tuple(
            f"host {host} does not answer ({circuit.reason}); its other pictures are left for the next run"
            for host, circuit in sorted(self._circuits.items())
            if self.gave_up(host)
        )
