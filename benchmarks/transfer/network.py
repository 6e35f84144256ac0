"""The two networks. Delay and cap are kept by the servers themselves, so that every machine can have them.

A new connection waits one round trip, each answer another one, and a body takes as long as the cap says. What a real
link does besides (slow start, loss, a shared bottleneck) is not there; it would slow who opens many connections.
"""

from __future__ import annotations

import os
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


# What the tools say, in words of this page; anything else is quoted.
REFUSALS = {
    "qdisc kind is unknown": "this kernel has no netem",
    "Operation not permitted": "network namespaces are not allowed here",
    "failed to execute tc": "there is no tc here",
}


def kept_by() -> str:
    """Who keeps the delay: always the servers; beside it whether this machine's kernel could do it instead."""
    try:
        tried = subprocess.run(NETEM, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    except FileNotFoundError:
        return "the servers (there is no unshare here)"
    if tried.returncode == 0:
        return "the servers (netem in a namespace would work too)"
    said = (tried.stderr or tried.stdout).strip()
    known = (words for sign, words in REFUSALS.items() if sign in said)
    return f"the servers ({next(known, said.partition(chr(10))[0])})"
