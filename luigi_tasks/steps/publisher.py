"""What one publishing process does: work off what it can get of a manifest, with its share of hands, bytes and cores.

A run has one such process, or several (steps/publishers.py); claims see to it that they share the manifest.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from luigi_tasks.gateways.decoders import Decoders, DecodingLimits, usable_cores
from luigi_tasks.gateways.download import Downloader
from luigi_tasks.gateways.objects import ObjectStore
from luigi_tasks.settings import Settings
from luigi_tasks.steps.crew import Counter, Crew
from luigi_tasks.steps.flow import OneAtATime
from luigi_tasks.steps.pace import FIRST_HANDS, Pace
from luigi_tasks.steps.transfer import Share, Transfer


def shares(settings: Settings, processes: int, *turns: OneAtATime) -> list[Share]:
    """What each of so many processes gets: together never more than the settings allow.

    turns: two, for several processes: a picture that is larger than the share of its process, as a body or decoded,
    waits until no other process has such a one.
    """
    at_once, more = divmod(settings.upload_concurrency, processes)
    per_host = settings.image_host_concurrency
    return [
        Share(
            at_once + (number < more),
            max(1, FIRST_HANDS // processes),
            settings.upload_memory_bytes // processes,
            max(1, usable_cores() // processes),
            per_host and per_host // processes + (number < per_host % processes),
            *turns,
        )
        for number in range(processes)
    ]


def work_off(
    settings: Settings,
    run_key: str,
    store: Callable[[], ObjectStore],
    counter: Counter,
    share: Share,
    asked: threading.Event,
) -> tuple[str, ...]:
    """Return when nothing is left that could be done now: a sentence for each host that was given up.

    store: called for each picture that is about to be put; may wait until the store is known to be good. Raises what
    it and Crew.work_off raise.
    """
    stop = threading.Event()
    with (
        Downloader(settings, stop) as downloader,
        Decoders(DecodingLimits.of(settings), share.decoders) as decoders,
    ):
        transfer = Transfer(settings, run_key, store, downloader, decoders, share)
        hands = 2 * share.at_once  # each fetches, then puts: while as many as may fetch do so, as many others put
        pace = Pace(
            hands, first=share.first, answer_seconds=downloader.least_answer_seconds, most_per_host=share.per_host
        )
        return Crew(settings, run_key, transfer, counter, stop).work_off(hands, pace, asked)


@contextlib.contextmanager
def asked_to_stop() -> Iterator[threading.Event]:
    """Set by SIGINT and SIGTERM, where signals may be handled at all: in the main thread.

    An exception that a handler raises is lost when it strikes inside a destructor; an event is not. Leaving the
    block raises KeyboardInterrupt when it is set, a second signal does so at once.
    """
    asked = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    handled = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    previous = {number: signal.signal(number, ask) for number in handled}
    try:
        yield asked
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    if asked.is_set():
        raise KeyboardInterrupt
