"""How soon image hosts answer, as far as it is known by now."""

from __future__ import annotations

QUICK_FLOOR_SECONDS = 1.0
FEW_ANSWERS = 4


class AnswerTimes:
    """How long to wait for a first answer: four times what a good one took of late, so that dead ones cost little."""

    def __init__(self, most: float) -> None:
        self._most, self._usual = most, most
        self._good, self._least = 0, most

    def note(self, seconds: float) -> None:
        """A good answer began after so many seconds."""
        self._usual = max(seconds, 0.8 * self._usual)
        self._good, self._least = self._good + 1, min(self._least, seconds)

    @property
    def least(self) -> float | None:
        """Seconds; None before a few good answers: the first ones of a busy process are late by its own fault."""
        return self._least if self._good >= FEW_ANSWERS else None

    @property
    def quick(self) -> float:
        """Seconds."""
        return min(self._most, max(QUICK_FLOOR_SECONDS, 4 * self._usual))
