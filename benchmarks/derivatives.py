"""Derivatives a second of CPU time: ours, Pillow used naively, and pyvips; and how much memory the pool takes.

python -m benchmarks.derivatives [--pictures 40] [--size 1920x1280] [--vips PYTHON]

Each makes a thumbnail of 320 and one of 1,280 pixels (WebP, quality 80), a 512 × 512 copy and a greyscale one (JPEG,
quality 90) of the same JPEGs. ours: one child, everything from as few decodes as the recipes allow, with colour profile
and orientation; beside it with the facts measured too. naive: Image.open, resize, save, once for each copy, in this
process. pyvips is not among our requirements: --vips names a Python of an environment that has it.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
from PIL import Image

from benchmarks import measurements
from luigi_tasks.domain.derivatives import Fit, Rendering
from luigi_tasks.gateways.decoders import Decoders, DecodingLimits
from luigi_tasks.steps import orders
from luigi_tasks.steps.flow import WeightGate, give_back_freed_memory
from luigi_tasks.steps.rendering import BYTES_PER_PIXEL

RENDERINGS = [
    Rendering((320, 320), Fit.INSIDE, "RGBA", "webp", 80),
    Rendering((1280, 1280), Fit.INSIDE, "RGBA", "webp", 80),
    Rendering((512, 512), Fit.PAD, "RGB", "jpeg", 90),
    Rendering(None, Fit.INSIDE, "L", "jpeg", 90),
]
LIMITS = DecodingLimits(200_000_000, 256 << 20, 60, BYTES_PER_PIXEL)
VIPS = """
import sys, time
from pathlib import Path
import pyvips
bodies = [path.read_bytes() for path in sorted(Path(sys.argv[1]).iterdir())]
started = time.process_time()
for body in bodies:
    for side in (320, 1280):
        pyvips.Image.thumbnail_buffer(body, side, height=side, size="down").webpsave_buffer(Q=80, keep="none")
    small = pyvips.Image.thumbnail_buffer(body, 512, height=512)
    small.gravity("centre", 512, 512, background=255).jpegsave_buffer(Q=90, keep="none")
    pyvips.Image.new_from_buffer(body, "").colourspace("b-w").jpegsave_buffer(Q=90, keep="none")
print(len(bodies) / (time.process_time() - started))
"""


def naive(body: bytes) -> None:
    """As one would write it without a second thought."""
    for rendering in RENDERINGS:
        with Image.open(io.BytesIO(body)) as picture:
            image = picture.convert(rendering.mode.removesuffix("A"))
        if rendering.frame:
            ratio = min(rendering.frame[0] / image.width, rendering.frame[1] / image.height)
            image = image.resize((round(image.width * ratio), round(image.height * ratio)), Image.Resampling.LANCZOS)
        image.save(io.BytesIO(), rendering.format.upper(), quality=rendering.quality)


def rate(work: Callable[[bytes], object], bodies: list[bytes]) -> float:
    """Pictures a second of CPU time, this process' and its children's: what a core does."""
    started = cpu_seconds()
    for body in bodies:
        work(body)
    return len(bodies) / (cpu_seconds() - started)


def cpu_seconds() -> float:
    """Of this process and its living children."""
    family = [psutil.Process(), *psutil.Process().children()]
    return sum(sum(process.cpu_times()[:2]) for process in family)


@contextlib.contextmanager
def freely(_: int) -> Iterator[None]:
    """Room for everything."""
    yield


def ours(bodies: list[bytes], *, measured: bool) -> float:
    """By one child, which is warm."""
    order = orders.write(RENDERINGS, measured=measured)
    with Decoders(LIMITS, children=1) as decoders:
        decoders.make(bodies[0], "image/jpeg", freely, order)
        return rate(lambda body: decoders.make(body, "image/jpeg", freely, order), bodies)


def pool(bodies: list[bytes], children: int) -> tuple[float, int]:
    """Pictures a second of a pool, and the most bytes that it and this process had at once beyond the start."""
    give_back_freed_memory()
    order, gate, own = orders.write(RENDERINGS, measured=True), WeightGate(256 << 20), psutil.Process()
    most, ended = [0], threading.Event()

    def resident() -> int:
        family = [own, *own.children()]
        return sum(process.memory_info().rss for process in family if process.is_running())

    def watch() -> None:
        while not ended.wait(0.05):
            with contextlib.suppress(psutil.NoSuchProcess):
                most[0] = max(most[0], resident())

    before, watcher = resident(), threading.Thread(target=watch)
    watcher.start()
    with Decoders(LIMITS, children=children) as decoders, ThreadPoolExecutor(children) as hands:
        started = time.perf_counter()
        list(hands.map(lambda body: decoders.make(body, "image/jpeg", gate.hold, order), bodies))
        seconds = time.perf_counter() - started
    ended.set()
    watcher.join()
    return len(bodies) / seconds, most[0] - before


def vips(python: str, bodies: list[bytes]) -> float:
    """By pyvips, held to one thread."""
    with tempfile.TemporaryDirectory() as folder:
        for number, body in enumerate(bodies):
            Path(folder, f"{number:04}.jpg").write_bytes(body)
        environment = os.environ | {"VIPS_CONCURRENCY": "1"}
        command = [python, "-c", VIPS, folder]
        return float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def generated(number: int, size: tuple[int, int]) -> list[bytes]:
    """JPEGs with shapes and grain, as photographs have them."""
    bodies = []
    for seed in range(number):
        with (
            Image.frombytes("RGB", (48, 32), random.Random(seed).randbytes(48 * 32 * 3)) as coarse,
            Image.effect_noise(size, 25) as grain,
        ):
            image = Image.blend(coarse.resize(size, Image.Resampling.BICUBIC), grain.convert("RGB"), 0.2)
            file = io.BytesIO()
            image.save(file, "JPEG", quality=90)
            bodies.append(file.getvalue())
    return bodies


def main() -> int:
    """Measure and say."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.derivatives")
    parser.add_argument("--pictures", type=int, default=40)
    parser.add_argument("--size", default="1920x1280")
    parser.add_argument("--vips", metavar="PYTHON")
    measurements.add_options(parser)
    options = parser.parse_args()
    width, height = (int(side) for side in options.size.split("x"))
    bodies = generated(options.pictures, (width, height))
    mean = sum(map(len, bodies)) / len(bodies) / 1e6
    print(f"{len(bodies)} JPEGs of {options.size}, {mean:.2f} MB each, 4 copies of each")
    makers: dict[str, Callable[[], float]] = {
        "ours": lambda: ours(bodies, measured=False),
        "ours, measured": lambda: ours(bodies, measured=True),
        "naive Pillow": lambda: rate(naive, bodies),
        **({"pyvips": lambda: vips(options.vips, bodies)} if options.vips else {}),
    }
    figures: dict[str, dict[str, float]] = {}
    for name, maker in makers.items():
        figures[name] = {"pictures/s of CPU": maker()}
        print(f"{name:<15}{figures[name]['pictures/s of CPU']:7.2f} pictures a CPU second", flush=True)
    for children in (1, 2, 4):
        speed, memory = pool(bodies, children)
        figures[f"pool of {children}"] = {"pictures/s": speed, "MB": memory / 1e6}
        print(
            f"pool of {children}      {speed:7.2f} pictures/s by the clock, {memory / 1e6:6.0f} MB at most", flush=True
        )
    offered = {"pictures": options.pictures, "size": options.size}
    rates = ("pictures/s of CPU", "pictures/s")
    return measurements.keep("derivatives", offered, figures, more_is_better=rates, not_judged=["pictures/s"])


if __name__ == "__main__":
    sys.exit(main())
