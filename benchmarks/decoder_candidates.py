"""Full decodes a CPU second by the decoders that could be used; run in their environment by benchmarks/decoding.py.

Run: python decoder_candidates.py FOLDER, a folder of JPEGs. Prints one JSON object: decoder and rate. Everything is
held to one thread, every body is in memory, rounds are interleaved, the best of them counts.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ["VIPS_CONCURRENCY"] = "1"

import cv2
import numpy as np
import pyvips
import simplejpeg
from PIL import Image

ROUNDS = 3


def pillow(body: bytes) -> None:
    """All colours, as libjpeg gives them, in four bytes a pixel."""
    with Image.open(io.BytesIO(body)) as image:
        image.load()


def pillow_luma(body: bytes) -> None:
    """As the pipeline decodes."""
    with Image.open(io.BytesIO(body)) as image:
        image.draft("L", image.size)
        image.load()


def pillow_draft(body: bytes) -> None:
    """Draft mode, an eighth: one pixel of 64, which is no full decode; what thumbnails are made from."""
    with Image.open(io.BytesIO(body)) as image:
        image.draft("RGB", (image.width // 8, image.height // 8))
        image.load()


def vips(body: bytes) -> None:
    """Every pixel, in bands, without keeping them."""
    pyvips.Image.new_from_buffer(body, "", access="sequential", fail_on="error").avg()


def opencv(body: bytes) -> None:
    """To an array, blue first."""
    cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)


def simple(body: bytes) -> None:
    """libjpeg-turbo with hardly anything around it."""
    simplejpeg.decode_jpeg(body)


DECODERS: dict[str, Callable[[bytes], None]] = {
    "Pillow": pillow,
    "Pillow, luma alone": pillow_luma,
    "pyvips, sequential, with the mean of all": vips,
    "OpenCV": opencv,
    "simplejpeg": simple,
    "Pillow, draft of an eighth (not a full one)": pillow_draft,
}


def main(folder: Path) -> None:
    """Measure and say."""
    cv2.setNumThreads(1)
    bodies = [path.read_bytes() for path in sorted(folder.glob("*.jpg"))]
    best = dict.fromkeys(DECODERS, 0.0)
    for _ in range(ROUNDS):
        for name, decode in DECODERS.items():
            begun = time.process_time()
            for body in bodies:
                decode(body)
            best[name] = max(best[name], len(bodies) / (time.process_time() - begun))
    print(json.dumps(best))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
