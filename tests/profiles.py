"""Small ICC profiles of known effect, written after the specification (ICC.1:2001-04): grey and CMYK."""

from __future__ import annotations

import struct
from itertools import product

D50 = struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)


def _profile(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Header, table of tags, tags, each at a multiple of four."""
    at, table, data = 128 + 4 + 12 * len(tags), b"", b""
    for name, body in tags.items():
        table += name + struct.pack(">2I", at + len(data), len(body))
        data += body + bytes(-len(body) % 4)
    rest = struct.pack(">4s I 4s 4s 4s 12x 4s 28x 12s 48x", b"lcms", 0x02400000, kind, space, connection, b"acsp", D50)
    header = struct.pack(">I", at + len(data)) + rest
    return header + struct.pack(">I", len(tags)) + table + data


def grey(gamma: float) -> bytes:
    """Grey whose light is value ** gamma; 1.0 makes an sRGB viewer show middle grey much lighter."""
    curve = struct.pack(">4s4xIH", b"curv", 1, round(gamma * 256))
    white = struct.pack(">4s4x", b"XYZ ") + D50
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"wtpt": white, b"kTRC": curve})


def inks(cyan: tuple[int, int, int]) -> bytes:
    """CMYK of four inks of which all but cyan are clear; cyan: what it looks like, as Lab in bytes."""
    straight = bytes(range(256))
    corners = b"".join(bytes(cyan if ink[0] else (255, 128, 128)) for ink in product((0, 1), repeat=4))
    matrix = struct.pack(">9i", *(65536 if place % 4 == 0 else 0 for place in range(9)))
    table = struct.pack(">4s4x4B", b"mft1", 4, 3, 2, 0) + matrix + straight * 4 + corners + straight * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": table})
