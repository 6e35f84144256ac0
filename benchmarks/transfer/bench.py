"""One run of one tool against servers of its own network, and what it took; what arrived is compared afterwards."""

from __future__ import annotations

import contextlib
import dataclasses
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
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.transfer import arena, in_flight, peers, tls
from benchmarks.transfer.measure import cpu_seconds, run
from benchmarks.transfer.network import HOST, Link
from benchmarks.transfer.pictures import Picture
from benchmarks.transfer.warehouse import Warehouse, settings_environ

ROOT = Path(__file__).resolve().parents[2]
FREE = ("AWS_", "S3_", "PG", "WALLHAVEN_", "UPLOAD_", "IMAGE_", "DRAENEI_", "http_proxy", "https_proxy")
SLACK_BYTES = 512 << 20
SERVER_PROCESSES = 2  # of the image server, and as many of the sink


@dataclasses.dataclass(frozen=True)
class Result:
    """One run of one tool. Seconds, bytes; right: pictures that arrived as they are; *_cpu: what others spent on it;
    fetching, putting: requests that the image server and the sink answered at once, at most."""

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
    own_rss: int
    children_rss: int
    fetching: int
    putting: int
    code: int


@dataclasses.dataclass
class Bench:
    """What all runs of one network share."""

    network: str
    link: Link
    pictures: Sequence[Picture]
    offered: Path
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
            with served(self.link, folder / "sink", size + SLACK_BYTES) as (s3, sink_pid):
                task = self._task(folder, s3, peer)
                in_flight.forget(self.offered / in_flight.FILE)
                before = (cpu_seconds(self.image_server), cpu_seconds(sink_pid), self.warehouse.cpu())
                commits = self.warehouse.statements()[0]
                cost = run(peer.command(program, task), folder / "log", self.timeout, task.environ, ROOT)
                after = (cpu_seconds(self.image_server), cpu_seconds(sink_pid), self.warehouse.cpu())
                commits = self.warehouse.statements()[0] - commits
                at_once = [in_flight.most(at / in_flight.FILE) for at in (self.offered, folder / "sink")]
                right = arrived_right(self.pictures, found(peer, folder), peer.key)
            if cost.code or right < len(self.pictures):
                said = (folder / "log").read_text(errors="replace")[-2000:]
                sys.stderr.write(f"{peer.name}: exit code {cost.code}, {right} right\n{said}\n")
        finally:
            shutil.rmtree(folder)
        spent = [late - early for early, late in zip(before, after, strict=True)]
        return Result(
            *(self.network, peer.name, turn, len(self.pictures), size, right, cost.wall, cost.cpu, cost.peak_rss),
            server_cpu=spent[0],
            sink_cpu=spent[1],
            database_cpu=spent[2],
            commits=commits,
            own_rss=cost.own_rss,
            children_rss=cost.children_rss,
            fetching=at_once[0],
            putting=at_once[1],
            code=cost.code,
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
        environ |= tls.trusted(Path(self.link.pem)) if self.link.pem else {}
        environ |= settings_environ(self.images, s3, folder) | peer.environ
        run_key = self.warehouse.freeze(self.pictures, self.images)
        return peers.Task(folder / "files", self.images, s3, work, urls, paths, 64, environ, run_key)


def found(peer: peers.Peer, folder: Path) -> dict[str, str]:
    """Key, or path of a file, and SHA-256 of everything that a tool left."""
    if peer.stores_to_s3:
        return arena.stored(folder / "sink")
    files = [path for path in (folder / "files").rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def arrived_right(pictures: Sequence[Picture], there: Mapping[str, str], key: peers.Key | None) -> int:
    """How many arrived with their own bytes: under their own key, where the tool's keys are known."""
    if key:
        return sum(there.get(key(picture)) == picture.sha256 for picture in pictures)
    return (Counter(picture.sha256 for picture in pictures) & Counter(there.values())).total()


@contextlib.contextmanager
def served(link: Link, root: Path, room: int) -> Iterator[tuple[str, int]]:
    """A sink on the network: its address and process id."""
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    program = [sys.executable, "-m", "benchmarks.transfer.sink", HOST, str(port), str(root)]
    program += [
        str(SERVER_PROCESSES),
        str(room),
        str(link.round_trip),
        str(link.cap),
        *([link.pem] if link.pem else []),
    ]
    with subprocess.Popen(program, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}) as process:
        try:
            _wait_for(port)
            yield f"http{'s' * bool(link.pem)}://{HOST}:{port}", process.pid
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
