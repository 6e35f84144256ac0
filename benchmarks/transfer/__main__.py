"""Measure this pipeline's transfer beside its peers: python -m benchmarks.transfer [--images DIR] …   (make bench)

Every tool fetches the same pictures from one local server and keeps them in one local S3 sink (or, if it knows no S3,
in a folder in memory). Rounds are interleaved: all tools once, then all again, so that a busy minute of the machine
meets each of them. What arrived is compared with what was offered, by SHA-256, after each run.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.transfer import arena, peers, report
from benchmarks.transfer.measure import cpu_seconds, run
from benchmarks.transfer.network import HOST, NETWORKS, Link
from benchmarks.transfer.pictures import Picture, offered
from benchmarks.transfer.warehouse import Warehouse, settings_environ, warehouse

ROOT = Path(__file__).resolve().parents[2]
FREE = ("AWS_", "S3_", "PG", "WALLHAVEN_", "UPLOAD_", "IMAGE_", "DRAENEI_", "http_proxy", "https_proxy")
SLACK_BYTES = 512 << 20


@dataclasses.dataclass(frozen=True)
class Result:
    """One run of one tool. Seconds, bytes; right: pictures that arrived as they are; *_cpu: what others spent on it."""

    network: str
    tool: str
    round: int
    pictures: int
    bytes: int
    right: int
    wall: float
    cpu: float
    peak_rss: int
    server_cpu: float
    sink_cpu: float
    database_cpu: float
    commits: int
    code: int


@dataclasses.dataclass
class Bench:
    """What all runs of one network share."""

    network: str
    pictures: Sequence[Picture]
    images: str
    image_server: int
    warehouse: Warehouse
    memory: Path
    timeout: float

    def measure(self, peer: peers.Peer, program: str, turn: int) -> Result:
        """One run, with a fresh sink."""
        folder = Path(tempfile.mkdtemp(dir=self.memory))
        size = sum(picture.file_size for picture in self.pictures)
        try:
            with served(NETWORKS[self.network], folder / "sink", size + SLACK_BYTES) as (s3, sink_pid):
                task = self._task(folder, s3, peer)
                before = (cpu_seconds(self.image_server), cpu_seconds(sink_pid), self.warehouse.cpu())
                commits = self.warehouse.statements()[0]
                cost = run(peer.command(program, task), folder / "log", self.timeout, task.environ, ROOT)
                after = (cpu_seconds(self.image_server), cpu_seconds(sink_pid), self.warehouse.cpu())
                commits = self.warehouse.statements()[0] - commits
                right = self._right(peer, folder)
            if cost.code or right < len(self.pictures):
                said = (folder / "log").read_text(errors="replace")[-2000:]
                sys.stderr.write(f"{peer.name}: exit code {cost.code}, {right} right\n{said}\n")
        finally:
            shutil.rmtree(folder)
        spent = [late - early for early, late in zip(before, after, strict=True)]
        return Result(
            *(self.network, peer.name, turn, len(self.pictures), size, right),
            *(cost.wall, cost.cpu, cost.peak_rss, *spent, commits, cost.code),
        )

    def _task(self, folder: Path, s3: str, peer: peers.Peer) -> peers.Task:
        work, urls, paths = folder / "work.json", folder / "urls.txt", folder / "paths.txt"
        listed = [{**vars(picture), "image_url": f"{self.images}/{picture.path}"} for picture in self.pictures]
        work.write_text(json.dumps({"s3": s3, "dsn": self.warehouse.dsn, "pictures": listed}))
        urls.write_text("".join(f"{picture['image_url']}\n" for picture in listed))
        paths.write_text("".join(f"{picture.path}\n" for picture in self.pictures))
        (folder / "files").mkdir()
        environ = {name: value for name, value in os.environ.items() if not name.startswith(FREE)}
        environ |= {"PYTHONPATH": str(ROOT), "AWS_ACCESS_KEY_ID": "b", "AWS_SECRET_ACCESS_KEY": "b"}
        environ |= {"AWS_DEFAULT_REGION": "us-east-1", "RCLONE_CONFIG": os.devnull, **self.warehouse.environ}
        environ["FSSPEC_S3"] = json.dumps({"endpoint_url": s3, "key": "b", "secret": "b"})
        environ |= settings_environ(self.images, s3, folder) | peer.environ
        run_key = self.warehouse.freeze(self.pictures, self.images)
        return peers.Task(folder / "files", self.images, s3, work, urls, paths, 64, environ, run_key)

    def _right(self, peer: peers.Peer, folder: Path) -> int:
        if peer.stores_to_s3:
            found = Counter(arena.stored(folder / "sink").values())
        else:
            files = [path for path in (folder / "files").rglob("*") if path.is_file()]
            found = Counter(hashlib.sha256(path.read_bytes()).hexdigest() for path in files)
        return (Counter(picture.sha256 for picture in self.pictures) & found).total()


@contextlib.contextmanager
def served(link: Link, root: Path, room: int) -> Iterator[tuple[str, int]]:
    """A sink on the network: its address and process id."""
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    program = [sys.executable, "-m", "benchmarks.transfer.sink", HOST, str(port), str(root), "2", str(room)]
    program += [str(link.round_trip), str(link.cap)]
    with subprocess.Popen(program, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}) as process:
        try:
            _wait_for(port)
            yield f"http://{HOST}:{port}", process.pid
        finally:
            process.terminate()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection((HOST, port), timeout=5).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            time.sleep(0.5)  # the other process of the two
            return


def bench(arguments: argparse.Namespace) -> list[Result]:
    """All rounds on all networks."""
    pictures, bodies = offered(arguments.images, arguments.pictures)
    chosen = [(peer, peer.find(arguments.cache)) for peer in peers.PEERS if _wanted(peer, arguments)]
    for peer, program in chosen:
        if program is None:
            sys.stderr.write(f"{peer.name}: cannot be had on this machine, not measured\n")
    results = []
    memory = Path(tempfile.mkdtemp(prefix="bench-", dir="/dev/shm"))
    os.chmod(memory, 0o755)
    try:
        arena.fill(memory / "offered", bodies)
        with warehouse(Path(tempfile.mkdtemp(prefix="bench-warehouse-"))) as own:
            for name in arguments.networks:
                with served(NETWORKS[name], memory / "offered", 1 << 20) as (images, pid):
                    ours = Bench(name, pictures, f"{images}/bench", pid, own, memory, arguments.timeout)
                    for turn in range(arguments.rounds):
                        for peer, program in chosen:
                            if program and not (turn and peer.name in arguments.once):
                                results.append(ours.measure(peer, program, turn))
                                sys.stderr.write(report.line(results[-1]) + "\n")
    finally:
        shutil.rmtree(memory)
    return results


def _wanted(peer: peers.Peer, arguments: argparse.Namespace) -> bool:
    return not arguments.only or peer.name in arguments.only


def main() -> None:
    """Measure, print, and write the history and the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transfer", description=__doc__)
    parser.add_argument("--images", type=Path, help="a folder with JPEG and PNG files; without it they are made")
    parser.add_argument("--pictures", type=int, default=984, help="how many are offered; bodies are used in turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--networks", nargs="+", choices=sorted(NETWORKS), default=["loopback"])
    parser.add_argument("--only", action="append", default=[], help="name of a tool; may be given again")
    parser.add_argument("--once", action="append", default=["the seed's way", "gallery-dl"], help="in one round only")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache/draenei-collector-bench")
    parser.add_argument("--timeout", type=float, default=900, help="seconds for one run of one tool")
    parser.add_argument("--page", type=Path, help="write the table and the chart here, such as docs/performance.md")
    arguments = parser.parse_args()
    found = bench(arguments)
    moment = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H%M%SZ")
    history = ROOT / "benchmarks/history" / f"transfer-{moment}.json"
    history.parent.mkdir(exist_ok=True)
    machine = report.machine(arguments.cache)
    document = {"at": moment, "machine": machine, "command": sys.argv[1:], "results": [vars(one) for one in found]}
    history.write_text(json.dumps(document, indent=1) + "\n")
    sys.stdout.write(report.table(document) + f"\n\n{history}\n")
    if arguments.page:
        report.write_page(document, arguments.page)


if __name__ == "__main__":
    main()
