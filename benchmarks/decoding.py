"""What a child of its own costs a picture: decoding in this process against decoding in a decoder child.

Run: python -m benchmarks.decoding [pictures]. Prints medians (wall, ms) and CPU seconds (this process and children).
"""

from __future__ import annotations

import contextlib
import io
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator

from PIL import Image

from luigi_tasks.gateways.decoders import Decoders, DecodingLimits
from luigi_tasks.steps.decoding import open_picture

LIMITS = DecodingLimits(max_pixels=200_000_000, max_bytes=256 << 20, cpu_seconds=60)


@contextlib.contextmanager
def freely(_: int) -> Iterator[None]:
    """Memory for everybody."""
    yield


def cases() -> Iterator[tuple[str, str, bytes]]:
    """Name, type and body of pictures as the source has them."""
    for width, height in ((1920, 1080), (3840, 2160), (7680, 4320)):
        with (
            Image.effect_mandelbrot((width, height), (-3, -2.5, 2, 2.5), 60) as grey,
            Image.new("RGB", (width, height), (30, 60, 90)) as image,
            Image.effect_noise((width, height), 30) as noise,
        ):
            image.paste(grey, (0, 0), mask=noise)
            for kind, options in (("JPEG", {"quality": 92}), ("PNG", {"compress_level": 3})):
                file = io.BytesIO()
                image.save(file, kind, **options)
                yield f"{kind} {width}x{height}", f"image/{kind.lower()}", file.getvalue()


def cpu_seconds() -> float:
    """Of this process and of the children that have ended."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def timed(decode: Callable[[], object], times: int) -> float:
    """Median milliseconds."""
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        decode()
        took.append(1000 * (time.perf_counter() - begun))
    return statistics.median(took)


def here(body: bytes, file_type: str) -> None:
    """Decode in this process."""
    with open_picture(body, file_type) as picture:
        picture.load()


def main(times: int) -> None:
    """Print the table."""
    print(f"{'picture':<16}{'MB':>6}{'here ms':>9}{'child ms':>10}{'ratio':>7}{'CPU here s':>12}{'CPU child s':>13}")
    for name, file_type, body in cases():
        before = cpu_seconds()
        inside = timed(lambda body=body, kind=file_type: here(body, kind), times)
        cpu_inside, before = cpu_seconds() - before, cpu_seconds()
        with Decoders(LIMITS, children=1) as decoders:
            decoders.decode(body, file_type, freely)
            outside = timed(lambda b=body, k=file_type, d=decoders: d.decode(b, k, freely), times)
        cpu_outside = cpu_seconds() - before
        print(
            f"{name:<16}{len(body) / 1e6:>6.1f}{inside:>9.1f}{outside:>10.1f}{outside / inside:>7.2f}"
            f"{cpu_inside:>12.2f}{cpu_outside:>13.2f}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
