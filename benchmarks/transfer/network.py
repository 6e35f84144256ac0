"""The two networks: loopback, and a link with a round trip of 60 ms between two network namespaces (Linux, root)."""

from __future__ import annotations

import contextlib
import os
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

ROUND_TRIP_MS = 60
PACKETS_ON_THE_WAY = 100_000


@dataclass(frozen=True)
class Network:
    """host: where servers listen; prefix: put before a server's command."""

    name: str
    host: str
    prefix: tuple[str, ...] = ()


@contextlib.contextmanager
def loopback() -> Iterator[Network]:
    """No delay."""
    yield Network("loopback", "127.0.0.1")


@contextlib.contextmanager
def delayed() -> Iterator[Network]:
    """Servers in a namespace of their own behind a link that delays each packet by half of the round trip."""
    name = f"bench-{uuid.uuid4().hex[:6]}"
    here, there = f"{name[-6:]}a", f"{name[-6:]}b"
    delay = ["netem", "delay", f"{ROUND_TRIP_MS // 2}ms", "limit", str(PACKETS_ON_THE_WAY)]
    inside = ["ip", "netns", "exec", name]
    net = f"10.{os.getpid() % 200 + 20}.{os.getpid() % 250}"
    try:
        for command in (
            ["ip", "netns", "add", name],
            ["ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", name],
            ["ip", "addr", "add", f"{net}.1/24", "dev", here],
            ["ip", "link", "set", here, "up"],
            [*inside, "ip", "addr", "add", f"{net}.2/24", "dev", there],
            [*inside, "ip", "link", "set", there, "up"],
            [*inside, "ip", "link", "set", "lo", "up"],
            ["tc", "qdisc", "add", "dev", here, "root", *delay],
            [*inside, "tc", "qdisc", "add", "dev", there, "root", *delay],
        ):
            subprocess.run(command, check=True, capture_output=True)
        yield Network(f"{ROUND_TRIP_MS} ms", f"{net}.2", tuple(inside))
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


NETWORKS = {"loopback": loopback, "delayed": delayed}
