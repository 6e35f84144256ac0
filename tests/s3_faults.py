"""What may go wrong between a client and tests/s3_double.py."""

from __future__ import annotations

from dataclasses import dataclass

ERRORS = {
    "before_500": (500, "InternalError"),
    "slow_down": (503, "SlowDown"),
    "denied": (403, "AccessDenied"),
    "skewed": (403, "RequestTimeTooSkewed"),
    "expired": (400, "ExpiredToken"),
    "conflict": (409, "ConditionalRequestConflict"),
}


@dataclass
class Fault:
    """What is to go wrong with the next `times` requests of a method whose key starts with prefix.

    kind: a name of ERRORS · lost_reply (committed, then the connection is cut) · after_500 (committed, then 500)
    · truncated, reset (a GET's body ends half-way, politely or not) · garbled (a GET's body arrives with a byte
    changed) · slow (done so late) · slow_reply (said so late) · slow_cut (never done).
    """

    kind: str
    method: str = "PUT"
    prefix: str = "wallpapers/"
    times: int = 1
    seconds: float = 0.0


def spoilt(body: bytes, kind: str) -> bytes:
    """What arrives of a body."""
    if kind == "garbled":
        return bytes([body[0] ^ 1]) + body[1:]
    return body[: len(body) // 2] if kind in {"truncated", "reset"} else body
