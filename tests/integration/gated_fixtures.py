"""A run whose pictures a server holds back until the test lets them go, and a program that publishes it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from tests.conftest import Warehouse
from tests.image_server import Answer, Request, serving, whole
from tests.integration.publish_fixtures import Publishing
from tests.pictures import picture

PICTURES = 24
PROGRAM = """
    import sys
    from luigi_tasks.domain.progress import Silent
    from luigi_tasks.gateways.objects import open_store
    from luigi_tasks.settings import load
    from luigi_tasks.steps.publish import publish
    try:
        publish(load(), sys.argv[1], open_store(load()), Silent())
    except KeyboardInterrupt:
        sys.exit(77)
"""


class Gate:
    """Lets the server answer a number of requests and holds the others back, until it is opened."""

    def __init__(self) -> None:
        self.asked, self.free, self.opened = 0, 0, threading.Event()
        self._counting = threading.Lock()

    def let(self, number: int) -> None:
        """So many more requests are answered."""
        self.free = self.asked + number

    def before(self, answer: Answer) -> Answer:
        """The answer, once the gate lets it through."""

        def held(request: Request) -> None:
            with self._counting:
                self.asked += 1
                turn = self.asked
            while turn > self.free and not self.opened.wait(0.01):
                pass
            answer(request)

        return held


@contextlib.contextmanager
def held_back(warehouse: Warehouse, gate: Gate, *, padding: int) -> Iterator[Publishing]:
    """PICTURES behind the gate, each so many bytes longer than it need be; the gate is opened at the end."""
    with serving() as server:
        publishing = Publishing(warehouse, server)
        for seed in range(PICTURES):
            body = picture("JPEG", seed=seed) + b"\0" * padding
            publishing.offer(f"w{seed:05}", body, gate.before(whole(body)))
        yield publishing
        gate.opened.set()


def stored(publishing: Publishing) -> int:
    """How many pictures are stored."""
    return publishing.warehouse.rows("select count(*) from ops.uploads where outcome = 'stored'")[0][0]
