"""A Luigi target that is a row of ops.steps: it exists when the step's transaction was committed."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import luigi

from luigi_tasks.domain.faults import crash_point
from luigi_tasks.gateways import postgres, run_ledger

if TYPE_CHECKING:
    from luigi_tasks.settings import Settings


def own_settings() -> Settings:
    """The settings of this process; imported when a task is asked, not when the graph is only shown."""
    from luigi_tasks import settings

    return settings.load()


class LedgerTarget(luigi.Target):
    """The completion of one step of one run."""

    def __init__(self, run_key: str, step: str) -> None:
        self.run_key, self.step = run_key, step

    def exists(self) -> bool:
        """True when the step is complete."""
        return self.result() is not None

    def result(self) -> dict[str, Any] | None:
        """What the complete step reported, None when it is not complete."""
        with postgres.transaction(own_settings()) as cursor:
            return run_ledger.step_result(cursor, self.run_key, self.step)

    def write(self, started_at: datetime.datetime, result: Mapping[str, object]) -> None:
        """Enter the step as complete."""
        with postgres.transaction(own_settings()) as cursor:
            crash_point("step.enter.before")
            run_ledger.complete_step(cursor, self.run_key, self.step, started_at, result)
        crash_point("step.enter.after")
