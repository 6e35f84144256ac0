"""How a step tells how far it is: one small protocol, so that steps know nothing of bars, logs or the scheduler."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told often and from any thread; cheap, and never raises."""

    def update(self, done: int, total: int, *, bytes_done: int = 0, note: str = "") -> None:
        """done of total items (total 0 = not known yet), bytes_done so far, note for what has no number."""


class Silent:
    """A Progress that says nothing."""

    def update(self, done: int, total: int, *, bytes_done: int = 0, note: str = "") -> None:
        """Say nothing."""

    def close(self) -> None:
        """There is nothing to close."""


def human_bytes(count: float) -> str:
    """49.6 MiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def human_seconds(seconds: float) -> str:
    """0:09, 12:30, 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def describe(unit: str, done: int, total: int, bytes_done: int, note: str, elapsed: float) -> str:
    """'16/24 images, 49.6 MiB, 43/45 per minute, ETA 0:12': what is known, in one line."""
    parts = [f"{done}/{total} {unit}"] if total else []
    if bytes_done:
        parts.append(human_bytes(bytes_done))
    if note:
        parts.append(note)
    if 0 < done < total:
        parts.append(f"ETA {human_seconds(elapsed / done * (total - done))}")
    return ", ".join(parts)
