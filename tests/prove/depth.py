"""How far a case is from the default run: a few run always, `make prove` runs more, `make prove-deep` the rest.

What is deep varies something that `make prove` shows too: another stage, source, store or seed. Each test that has such
cases is named as `deeper` in guarantees.toml, so that docs/guarantees.md says what `make prove` did not run.
"""

from __future__ import annotations

from collections.abc import Container

import pytest

DEEP = pytest.mark.prove(deep=True)
# What `make prove` runs, and what `make prove-deep` does: marks as pytest's -m has them.
SHALLOW_ONLY, DEEP_ONLY = "not prove(deep=True)", "prove(deep=True)"


def marks(case: object, always: Container[object], proof: Container[object] = ()) -> tuple[pytest.MarkDecorator, ...]:
    """The marks of a case: none of those that run always, `prove` of a proof's, of all others that and deep."""
    if case in always:
        return ()
    return (pytest.mark.prove,) if case in proof else (DEEP,)
