"""draenei-collector: collect digital art and keep it for good.

    pipeline.py    the graph on one page: start reading here
    tasks.py       what every task shares           lifecycle.py how a luigi process begins and ends
    targets.py     a target that is a ledger row    settings.py  what differs between two machines
    steps/         what each task does: plain functions, no Luigi
    sources/       what each source looks like: pure modules, one Protocol
    gateways/      the outside world: the only place that imports drivers
    domain/        the words: frozen dataclasses, the exception tree
    warehouse/     the DDL that Python owns
    verbs/         the helper verbs: python -m luigi_tasks VERB

Tasks that a user may name: luigi --module luigi_tasks Collect [--query TEXT] [--run-id 2026-11-21T07:00]
"""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["Collect"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from luigi_tasks import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module 'luigi_tasks' has no attribute {name!r}")


if "luigi" in sys.modules:
    # `luigi --module luigi_tasks` finds its tasks by importing this package; everybody else is spared the second
    # that luigi takes to start.
    from luigi_tasks import pipeline  # noqa: F401
