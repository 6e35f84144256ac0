"""The two networks. Delay and cap are kept by the servers themselves, so that every machine can have them.

A new connection waits one round trip, each answer another one, and a body takes as long as the cap says. What a real
link does besides (slow start, loss, a shared bottleneck) is not there; it would slow who opens many connections.
"""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Link:
    """round_trip: seconds; cap: bytes a second for each connection, 0 for none; pem: a key and certificate for TLS."""

    round_trip: float = 0.0
    cap: int = 0
    pem: str = ""

    def wait(self) -> None:
        """A round trip."""
        if self.round_trip:
            time.sleep(self.round_trip)

    def keep_pace(self, begun: float, done: int) -> None:
        """Wait until so many bytes may have passed."""
        if self.cap and (early := begun + done / self.cap - time.monotonic()) > 0:
            time.sleep(early)


NETWORKS = {"loopback": Link(), "60ms": Link(0.06, 25_000_000)}
HOST = "127.0.0.1"
NETEM = ("unshare", "-Urn", "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "30ms")


def kept_by() -> str:
    """Who keeps the delay: always the servers; beside it whether this machine's kernel could do it instead."""
    try:
        tried = subprocess.run(NETEM, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "the servers (no unshare here)"
    said = (tried.stderr or tried.stdout).strip().partition("\n")[0]
    return "the servers (netem in a namespace would work too)" if tried.returncode == 0 else f"the servers ({said})"
