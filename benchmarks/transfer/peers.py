"""The tools beside which the pipeline is measured, installed and called as their users would."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.transfer.pictures import Picture

HERE = Path(__file__).parent
Key = Callable[[Picture], str]
GALLERY_DL = ("gallery_dl==1.32.18",)
IMG2DATASET = ("img2dataset==1.47.0", "s3fs==2026.9.0")
SCRAPY = ("scrapy==2.19.0", "botocore==1.44.5")


@dataclass(frozen=True)
class Task:
    """One run. folder: for the tool's own files and, of tools without S3, the pictures; at_once: in flight."""

    folder: Path
    images: str
    s3: str
    work: Path
    urls: Path
    paths: Path
    at_once: int
    environ: dict[str, str]
    run_key: str = ""


@dataclass(frozen=True)
class Peer:
    """A tool. find(cache): its program, None when it cannot be had here; command(program, task): how to call it.

    key: where it keeps a picture; None when it names what it stores in its own way. pinned: what is
    installed for the benchmark, packages and versions; others are asked.
    """

    name: str
    find: Callable[[Path], str | None]
    command: Callable[[str, Task], Sequence[str]]
    version: Sequence[str] = ("--version",)
    stores_to_s3: bool = True
    key: Key | None = None
    note: str = ""
    environ: dict[str, str] = field(default_factory=dict)
    pinned: Sequence[str] = ()


def installed(name: str) -> Callable[[Path], str | None]:
    """A program of the system."""
    return lambda cache: shutil.which(name)


def from_index(program: str, *packages: str) -> Callable[[Path], str | None]:
    """A Python program in an environment of its own under the cache; made when these versions are not there yet."""

    def find(cache: Path) -> str | None:
        home = cache / "-".join(packages).replace("==", "-")
        if not (home / "bin" / program).exists():
            subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
            pip = [str(home / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            if subprocess.run([*pip, *packages], check=False).returncode:
                shutil.rmtree(home)
                return None
        return str(home / "bin" / program)

    return find


def _curl(program: str, task: Task) -> list[str]:
    return _curls(program, task, 1)


def _curl_on_all_cores(program: str, task: Task) -> list[str]:
    return _curls(program, task, len(os.sched_getaffinity(0)))


def _curls(program: str, task: Task, processes: int) -> list[str]:
    """A process of curl is one thread: so many share the pictures and what may be in flight."""
    pairs = [f'url = "{url}"\noutput = "{task.folder}/{number}"\n' for number, url in enumerate(_urls(task))]
    each = [program, "--silent", "--fail", "--parallel", "--parallel-immediate"]
    each += ["--parallel-max", str(max(1, task.at_once // processes)), "--config"]
    shares = [task.folder / f"curl-{number}.cfg" for number in range(processes)]
    for number, share in enumerate(shares):
        share.write_text("".join(pairs[number::processes]))
    if processes == 1:
        return [*each, str(shares[0])]
    listed = task.folder / "curl.shares"
    listed.write_text("".join(f"{share}\n" for share in shares))
    return ["xargs", f"--arg-file={listed}", f"--max-procs={processes}", "--max-args=1", *each]


def _rclone(program: str, task: Task) -> list[str]:
    s3 = ["--s3-provider", "Other", "--s3-endpoint", task.s3, "--s3-access-key-id", "b", "--s3-secret-access-key", "b"]
    many = ["--transfers", str(task.at_once), "--checkers", str(task.at_once), "--retries", "1"]
    known = ["--files-from", str(task.paths), "--no-traverse", "--no-check-dest", "--s3-no-check-bucket"]
    return [program, "copy", ":http:", ":s3:bench/rclone", "--http-url", task.images, *s3, *many, *known]


def _gallery_dl(program: str, task: Task) -> list[str]:
    return [program, "--quiet", "--config-ignore", "-D", str(task.folder), "--input-file", str(task.urls)]


def _img2dataset(program: str, task: Task) -> list[str]:
    each = str(max(1, task.at_once // 4))
    return [
        *(program, "--url_list", str(task.urls), "--output_folder", "s3://bench/img2dataset"),
        *("--output_format", "files", "--disable_all_reencoding", "True", "--processes_count", "4"),
        *("--thread_count", each, "--number_sample_per_shard", "250", "--enable_wandb", "False"),
    ]


def _scrapy(program: str, task: Task) -> list[str]:
    return [program, "runspider", str(HERE / "spider.py"), "-s", f"WORK={task.work}"]


def _seed(program: str, task: Task) -> list[str]:
    return [program, "-m", "benchmarks.transfer.seed", str(task.work)]


def _ours(program: str, task: Task) -> list[str]:
    return [program, "-m", "benchmarks.transfer.ours", task.run_key]


def _own_key(picture: Picture) -> str:
    return picture.s3_key


def _rclone_key(picture: Picture) -> str:
    return f"rclone/{picture.path}"


PYTHON = installed(sys.executable)
PEERS = (
    Peer("draenei-collector", PYTHON, _ours, key=_own_key, note="all checks but the full decode"),
    Peer(
        "draenei-collector, 4 processes",
        *(PYTHON, _ours),
        key=_own_key,
        note="UPLOAD_PROCESSES=4",
        environ={"UPLOAD_PROCESSES": "4"},
    ),
    Peer(
        "draenei-collector, full decode",
        *(PYTHON, _ours),
        key=_own_key,
        note="every pixel",
        environ={"IMAGE_FULL_DECODE": "true"},
    ),
    Peer(
        "rclone",
        *(installed("rclone"), _rclone, ("version",)),
        key=_rclone_key,
        note="copy, :http: to :s3:, no checks",
        environ={"AWS_CA_BUNDLE": ""},  # it cannot load one, and takes SSL_CERT_FILE
    ),
    Peer("curl", installed("curl"), _curl, stores_to_s3=False, note="download to memory only, one thread"),
    Peer(
        "curl, one a core",
        *(installed("curl"), _curl_on_all_cores),
        stores_to_s3=False,
        note="the limit: download to memory only",
    ),
    Peer(
        "gallery-dl",
        *(from_index("gallery-dl", *GALLERY_DL), _gallery_dl),
        stores_to_s3=False,
        note="one by one",
        pinned=GALLERY_DL,
    ),
    Peer("img2dataset", from_index("img2dataset", *IMG2DATASET), _img2dataset, note="4 processes", pinned=IMG2DATASET),
    Peer("Scrapy", from_index("scrapy", *SCRAPY), _scrapy, note="FilesPipeline", pinned=SCRAPY),
    Peer("the seed's way", PYTHON, _seed, key=_own_key, note="requests.get, put_object, insert, one by one"),
)


def _urls(task: Task) -> list[str]:
    return [picture["image_url"] for picture in json.loads(task.work.read_text())["pictures"]]
