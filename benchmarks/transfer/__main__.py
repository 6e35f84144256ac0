"""Measure this pipeline's transfer beside its peers: python -m benchmarks.transfer [--images DIR] …   (make bench)

Every tool fetches the same pictures from one local server and keeps them in one local S3 sink (or, if it knows no S3,
in a folder in memory). Rounds are interleaved: all tools once, then all again, so that a busy minute of the machine
meets each of them. What arrived is compared with what was offered, key by key, by SHA-256, after each run; what was
measured, with the newest earlier measurement of the same on such a machine (benchmarks/history/).
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import decoding, measurements
from benchmarks.transfer import arena, goals, history, network, peers, pictures, report, tls
from benchmarks.transfer.bench import SERVER_PROCESSES, SLACK_BYTES, Bench, Result, served
from benchmarks.transfer.network import NETWORKS
from benchmarks.transfer.pictures import Kind, Picture
from benchmarks.transfer.warehouse import warehouse

MEMORY = Path("/dev/shm")
Chosen = list[tuple[peers.Peer, str]]


def bench(arguments: argparse.Namespace, kinds: list[Kind], chosen: Chosen) -> list[Result]:
    """All rounds on all networks."""
    memory = Path(tempfile.mkdtemp(prefix="bench-", dir=MEMORY))
    os.chmod(memory, 0o755)
    home = Path(tempfile.mkdtemp(prefix="bench-warehouse-"))
    try:
        offer: list[Picture] = []
        arena.fill(memory / "offered", _noted(offer, pictures.offered(kinds, arguments.pictures)))
        with warehouse(home) as own:
            results: list[Result] = []
            pem = str(tls.certificate(home)) if arguments.tls else ""
            for name in arguments.networks:
                link = dataclasses.replace(NETWORKS[name], pem=pem)
                label, offered = f"{name}, TLS" if pem else name, memory / "offered"
                with served(link, offered, 1 << 20) as (address, pid):
                    images = f"{address}/bench"
                    ours = Bench(label, link, offer, offered, images, pid, own, memory, arguments.timeout)
                    results += _rounds(ours, arguments, chosen)
    finally:
        shutil.rmtree(memory)
        shutil.rmtree(home)
    return results


def _noted(offer: list[Picture], made: Iterator[tuple[Picture, bytes]]) -> Iterator[tuple[str, bytes]]:
    for picture, body in made:
        offer.append(picture)
        yield picture.path, body


def _rounds(ours: Bench, arguments: argparse.Namespace, chosen: Chosen) -> Iterator[Result]:
    for turn in range(arguments.rounds):
        for peer, program in chosen:
            if not (turn and peer.name in arguments.once):
                result = ours.measure(peer, program, turn)
                sys.stderr.write(report.line(result) + "\n")
                yield result


def check_room(kinds: list[Kind], number: int) -> None:
    """SystemExit with words when the memory would not hold what is offered, received and written to files."""
    turns, rest = divmod(number, len(kinds))
    size = turns * sum(len(kind.body) for kind in kinds) + sum(len(kind.body) for kind in kinds[:rest])
    needed = 2 * size + SERVER_PROCESSES * (size + SLACK_BYTES)
    free = shutil.disk_usage(MEMORY).free
    if needed > free:
        sys.exit(
            f"{number} pictures of {size / number / 1e6:.2f} MB need {needed / 1e9:.1f} GB in {MEMORY}, where"
            f" {free / 1e9:.1f} GB are free. Offer fewer (--pictures N) or smaller ones (--small)."
        )


def parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transfer", description=__doc__)
    parser.add_argument("--images", type=Path, help="a folder with JPEG and PNG files; without it they are made")
    parser.add_argument("--small", action="store_true", help="made ones of 40 kB, so that 20,000 fit into memory")
    parser.add_argument("--pictures", type=int, default=984, help="how many are offered; no two are the same bytes")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--networks", nargs="+", choices=sorted(NETWORKS), default=["loopback"])
    parser.add_argument("--tls", action="store_true", help="both servers over TLS, by a certificate made for it")
    parser.add_argument("--only", action="append", default=[], help="name of a tool; may be given again")
    parser.add_argument("--once", action="append", default=["the seed's way", "gallery-dl"], help="in one round only")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache/draenei-collector-bench")
    parser.add_argument("--timeout", type=float, default=900, help="seconds for one run of one tool")
    parser.add_argument("--page", type=Path, help="write the table and the chart here, such as docs/performance.md")
    measurements.add_options(parser)
    arguments = parser.parse_args(argv)
    arguments.command = list(sys.argv[1:] if argv is None else argv)
    return arguments


def measured(arguments: argparse.Namespace) -> dict[str, Any]:
    """Everything that was measured, with its circumstances."""
    kinds = pictures.kinds(arguments.images, small=arguments.small)
    check_room(kinds, arguments.pictures)
    wanted = [peer for peer in peers.PEERS if not arguments.only or peer.name in arguments.only]
    programs = {peer.name: peer.find(arguments.cache) for peer in wanted}
    chosen = [(peer, program) for peer in wanted if (program := programs[peer.name])]
    results = bench(arguments, kinds, chosen)
    return {
        "at": measurements.now(),
        "machine": report.machine(chosen),
        "command": arguments.command,
        "offered": {"pictures": arguments.pictures, "bodies": pictures.name(arguments.images, small=arguments.small)},
        "delay kept by": network.kept_by(),
        "decoder": decoding.speeds(kinds),
        "missing": [name for name, program in programs.items() if not program],
        "results": [vars(one) for one in results],
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and write the history and the page; 1 when something of ours became worse and that was asked."""
    arguments = parsed(argv)
    document = measured(arguments)
    earlier = history.previous(arguments.history, document)
    changes = history.compared(document, earlier) if earlier else []
    sys.stdout.write(f"{report.table(document, changes)}\n\n{goals.table(document)}\n\n")
    if not arguments.no_history:
        sys.stdout.write(f"kept: {measurements.write(arguments.history, history.NAME, document)}\n")
    worse = history.regressions(document, changes)
    sys.stdout.writelines(f"worse than {earlier['at'] if earlier else 'offered'}: {sentence}\n" for sentence in worse)
    if arguments.page:
        report.write_page(document, changes, goals.table(document), arguments.page)
    return int(bool(worse) and arguments.fail_on_regression)


if __name__ == "__main__":
    sys.exit(main())
