"""This pipeline's Publish on a manifest that is frozen already; the settings come from the environment.

Run: python -m benchmarks.transfer.ours RUN_KEY
"""

from __future__ import annotations

import sys

from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways.objects import open_store
from luigi_tasks.settings import load
from luigi_tasks.steps.publish import publish


def main(run_key: str) -> None:
    """Publish, and fail unless all is stored."""
    totals = publish(load(), run_key, open_store(load()), Silent())
    if totals.outcomes.get("stored") != totals.items:
        sys.exit(f"not all stored: {totals}")


if __name__ == "__main__":
    main(sys.argv[1])
