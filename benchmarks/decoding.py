"""What full decodes cost: in a child of its own, on all cores beside the decoder's own speed, and by other decoders.

Run: python -m benchmarks.decoding [times]. Prints three tables: medians of one picture here and in a decoder child;
pictures a second of plain processes, one a core, that do nothing but decode, with all colours and as Decoders do it,
and of Decoders as Publish uses them, all given the next picture as soon as one is done; the candidates
(decoder_candidates.py) in an environment of their own. Exit code 1 when Decoders have less than the goal of the speed
that the same decode has by itself, by CPU time.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image
from PIL.ImageFile import ImageFile

from benchmarks import measurements
from benchmarks.transfer import measure
from benchmarks.transfer.peers import from_index
from benchmarks.transfer.pictures import Kind, kinds
from luigi_tasks.gateways.decoders import Decoders, DecodingLimits, usable_cores
from luigi_tasks.steps.decoding import decode_whole, open_picture

CANDIDATES = (
    *("pillow==13.0.0", "pyvips[binary]==3.2.0", "pyvips-binary==8.18.7"),
    *("opencv-python-headless==5.0.0.93", "simplejpeg==1.9.0", "numpy==2.4.6"),
)
Decode = Callable[[ImageFile], None]
OF_CPU, AS_WE_DO = "pictures/s of CPU", "luma alone, pictures/s of CPU"
PLAIN, COLOURED, OURS = "plain processes", "with all colours", "Decoders"
GOAL = 0.9
OFFERED: list[bytes] = []
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


def in_colours(picture: ImageFile) -> None:
    """Decode to pixels with all their colours."""
    picture.load()


def here(body: bytes, file_type: str, decode: Decode = decode_whole) -> None:
    """Decode in this process; by default as Decoders do."""
    with open_picture(body, file_type) as picture:
        decode(picture)


def one_by_one(times: int) -> dict[str, dict[str, float]]:
    """A picture here and in a child."""
    figures = {}
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
        figures[name] = {"child/here": outside / inside, "CPU child/here": cpu_outside / cpu_inside}
    return figures


def decode_offered(decode: Decode, number: int) -> None:
    """Decode one of those that are offered, in this process."""
    here(OFFERED[number], "image/jpeg", decode)


def speeds(pictures: list[Kind]) -> dict[str, float]:
    """The decoder's own: full decodes of a CPU second in this process, of pictures like these."""
    return {OF_CPU: _speed(pictures, in_colours), AS_WE_DO: _speed(pictures, decode_whole)}


def _speed(pictures: list[Kind], decode: Decode) -> float:
    here(pictures[0].body, pictures[0].file_type, decode)
    begun = time.process_time()
    for picture in pictures:
        here(picture.body, picture.file_type, decode)
    return len(pictures) / (time.process_time() - begun)


def on_all_cores(times: int) -> dict[str, dict[str, float]]:
    """The decoder's own speed on all cores, and ours; interleaved, medians."""
    cores, bodies = usable_cores(), 2 * [kind.body for kind in kinds(None)]
    rates: dict[str, list[tuple[float, float]]] = {PLAIN: [], COLOURED: [], OURS: []}
    for _ in range(times):
        rates[PLAIN].append(plain(bodies, cores, decode_whole))
        rates[COLOURED].append(plain(bodies, cores, in_colours))
        rates[OURS].append(ours(bodies, cores))
    size = sum(map(len, bodies)) / len(bodies) / 1e6
    print(f"\n{cores} cores, {len(bodies)} JPEGs of {size:.1f} MB, medians of {times}")
    print(f"{'':<18}{'pictures/s':>12}{'of a CPU second':>18}")
    middle = {name: [statistics.median(column) for column in zip(*pairs, strict=True)] for name, pairs in rates.items()}
    for name, (wall, cpu) in middle.items():
        print(f"{name:<18}{wall:>12.1f}{cpu:>18.1f}")
    wall, cpu = (mine / theirs for theirs, mine in zip(middle[PLAIN], middle[OURS], strict=True))
    print(f"{'ratio':<18}{wall:>12.2f}{cpu:>18.2f}   (goal: {GOAL})")
    figures = {name: dict(zip(("pictures/s", OF_CPU), pair, strict=True)) for name, pair in middle.items()}
    return {**figures, "ratio": {"pictures/s": wall, OF_CPU: cpu}}


def plain(bodies: list[bytes], cores: int, decode: Decode) -> tuple[float, float]:
    """A process a core, which takes the next picture as soon as it has decoded one, and does nothing else.

    The pictures are there before the processes are, so that none is sent to them.
    """
    OFFERED[:] = bodies
    with multiprocessing.get_context("fork").Pool(cores) as pool:
        one = functools.partial(decode_offered, decode)
        pool.map(one, range(cores), chunksize=1)
        return rates_of(lambda: list(pool.imap_unordered(one, range(len(bodies)), chunksize=1)), len(bodies))


def ours(bodies: list[bytes], cores: int) -> tuple[float, float]:
    """Decoders, fed by threads as Publish feeds them."""
    with Decoders(LIMITS, children=cores) as decoders, ThreadPoolExecutor(2 * cores) as hands:

        def decode(body: bytes) -> None:
            decoders.decode(body, "image/jpeg", freely)

        list(hands.map(decode, bodies))  # a decoder is started when the others keep a picture waiting
        return rates_of(lambda: list(hands.map(decode, bodies)), len(bodies))


def rates_of(work: Callable[[], object], pictures: int) -> tuple[float, float]:
    """Pictures a second by the clock, and of CPU time of this process and its children."""
    begun, cpu = time.perf_counter(), measure.cpu_seconds(os.getpid())
    work()
    return pictures / (time.perf_counter() - begun), pictures / (measure.cpu_seconds(os.getpid()) - cpu)


def candidates() -> dict[str, dict[str, float]]:
    """The same bodies through each decoder that could be had, a core each."""
    python = from_index("python", *CANDIDATES)(Path.home() / ".cache/draenei-collector-bench")
    if python is None:
        print("\nThe other decoders are not to be had here.")
        return {}
    with tempfile.TemporaryDirectory() as folder:
        for number, kind in enumerate(kinds(None)):
            Path(folder, f"{number:03}.jpg").write_bytes(kind.body)
        script = str(Path(__file__).with_name("decoder_candidates.py"))
        said = subprocess.run([python, script, folder], capture_output=True, text=True, check=True).stdout
    print(f"\n{'decoder':<44}{'full decodes of a CPU second':>30}")
    rates = json.loads(said)
    for name, rate in rates.items():
        print(f"{name:<44}{rate:>30.1f}")
    return {name: {OF_CPU: rate} for name, rate in rates.items()}


def main(times: int) -> int:
    """Print the tables; 1 when Decoders miss the goal."""
    figures = {**one_by_one(times), **on_all_cores(3), **candidates()}
    rates = ("pictures/s", OF_CPU)
    worse = measurements.keep(
        "decoding", {"times": times}, figures, more_is_better=rates, not_judged=["pictures/s", "child/here"]
    )
    return worse or int(figures["ratio"][OF_CPU] < GOAL)


if __name__ == "__main__":
    sys.exit(main(*map(int, measurements.words() or ["15"])))
