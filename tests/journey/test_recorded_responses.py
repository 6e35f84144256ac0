"""What the real source answered, and real pictures, through the whole graph."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from random import Random
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image

from tests.conftest import Warehouse
from tests.journey.conftest import WITHOUT_LIMIT
from tests.journey.running import REPOSITORY, RUN, Pipeline
from tests.loopback import QuietHandler, running
from twin import Catalogue, Twin

SAMPLES = REPOSITORY.parent / "shared" / "wallhaven" / "samples"
NEXT_RUN = "2026-11-21T07:01"
PICTURES = "DRAENEI_REAL_PICTURES"

needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"no recorded responses in {SAMPLES}")


def recorded_details() -> dict[str, bytes]:
    """Bodies of /w/{id} by id, the latest of each; one was recorded without its envelope."""
    bodies: dict[str, bytes] = {}
    for path in sorted(SAMPLES.glob("detail-*.json")):
        body = path.read_bytes()
        if path.stem.endswith("-data-only"):
            body = b'{"data":' + body + b"}"
        bodies[json.loads(body)["data"]["id"]] = body
    return bodies


def recorded_pages() -> list[bytes]:
    """Bodies of /search as they came, but numbered as pages of one listing; the one without records is the last."""
    bodies = [path.read_bytes() for path in sorted(SAMPLES.glob("search-*.json"))]
    bodies.sort(key=lambda body: not json.loads(body)["data"])
    return [numbered(body, number, len(bodies)) for number, body in enumerate(bodies, 1)]


def page_of_single_records() -> bytes:
    """A page that lists what was recorded one by one, so that the details are asked for."""
    items = [json.loads(path.read_bytes()) for path in sorted(SAMPLES.glob("item-*.json"))]
    details = [json.loads(body)["data"] for body in recorded_details().values()]
    items += [{name: record[name] for name in record if name not in ("tags", "uploader")} for record in details]
    meta = {"current_page": 1, "last_page": 1, "per_page": 24, "total": len(items), "query": None, "seed": None}
    return json.dumps({"data": items, "meta": meta}).encode()


def numbered(body: bytes, number: int, last: int) -> bytes:
    """The body with two numbers changed, all other bytes as they were."""
    body, changed = re.subn(rb'("current_page"\s*:\s*)\d+', rb"\g<1>%d" % number, body)
    body, changed_too = re.subn(rb'("last_page"\s*:\s*)\d+', rb"\g<1>%d" % last, body)
    assert (changed, changed_too) == (1, 1)
    return body


@contextmanager
def replayed(pages: list[bytes], details: dict[str, bytes]) -> Iterator[str]:
    """An API that answers with recorded bodies; gives its address."""

    class Replay(QuietHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            detail = details.get(address.path.rpartition("/")[2])
            if address.path.endswith("/search"):
                status, body = 200, pages[int(parse_qs(address.query)["page"][0]) - 1]
            else:
                status, body = (200, detail) if detail else (404, b'{"error":"Nothing here"}')
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with running(ThreadingHTTPServer(("127.0.0.1", 0), Replay)) as server:
        yield f"http://127.0.0.1:{server.server_port}/api/v1"


def records_of(bodies: list[bytes]) -> list[list[str]]:
    """Ids page by page."""
    return [[record["id"] for record in json.loads(body)["data"]] for body in bodies]


def assert_accounted_for(pipeline: Pipeline, entity: str, received: list[int]) -> None:
    """Every page is loaded, and of each record it is known what became of it: none is refused."""
    counted = pipeline.rows(
        "select received, loaded, duplicate, quarantined, page_name ~ '^page-.*-r' from ops.loads"
        " join ops.runs using (run_key) where entity = %s order by run_id, page_name",
        entity,
    )
    # Recorded years apart, the pages do not continue each other: the crawl reads them again before it believes it.
    assert [row[0] for row in counted if not row[4]] == received
    assert all(row[0] == sum(row[1:4]) for row in counted)
    assert sum(row[3] for row in counted) == pipeline.count("ops.quarantine") == 0


@needs_samples
def test_every_recorded_response_is_accounted_for(pipeline: Pipeline) -> None:
    singles, pages, details = [page_of_single_records()], recorded_pages(), recorded_details()
    assert len(pages) > 20
    assert len(details) >= 6
    with replayed(singles, details) as address:
        first = pipeline.collect(RUN, WALLHAVEN_API_URL=address)
    assert (first.returncode, first.stderr) == (0, "")
    assert_accounted_for(pipeline, "wallpaper", [1] * len(details))
    assert pipeline.count("draenei_content.wallpapers", "tags is not null") == len(details)
    with replayed(pages, {}) as address:
        second = pipeline.collect(NEXT_RUN, WALLHAVEN_API_URL=address, DETAILS_PER_RUN="0")
    assert (second.returncode, second.stderr) == (0, "")
    ids = records_of(singles + pages)
    assert_accounted_for(pipeline, "search", [len(page) for page in ids])
    distinct = {name for page in ids for name in page}
    assert {name for (name,) in pipeline.rows("select wallhaven_id from draenei_content.wallpapers")} == distinct
    assert pipeline.audit(NEXT_RUN)["seen"] == len({name for page in ids[1:] for name in page})
    assert dict(pipeline.rows("select outcome, count(*) from ops.uploads group by 1")) == {"refused": len(distinct)}
    assert pipeline.objects() == {}


def picture_files(folder: Path) -> list[Path]:
    """Real pictures where the machine has some, else large ones that are made here."""
    if named := os.environ.get(PICTURES):
        return sorted(path for path in Path(named).iterdir() if path.suffix in (".jpg", ".jpeg", ".png"))
    folder.mkdir()
    noise = Random(7)
    sizes = {"uhd.jpg": (3840, 2160), "portrait.png": (1440, 2560), "wide.jpg": (7680, 1440), "gray.png": (2000, 2000)}
    for name, size in sizes.items():
        mode = "L" if name.startswith("gray") else "RGB"
        with (
            Image.frombytes(mode, (64, 64), noise.randbytes(64 * 64 * len(mode))) as small,
            small.resize(size) as large,
        ):
            large.save(folder / name, quality=90)
    return sorted(folder.iterdir())


def test_large_and_real_pictures_are_stored_byte_for_byte(warehouse: Warehouse, tmp_path: Path) -> None:
    files = picture_files(tmp_path / "pictures")
    with Twin(Catalogue.from_files(files), rate_per_minute=WITHOUT_LIMIT) as twin:
        pipeline = Pipeline(twin, warehouse.home, warehouse.environ, warehouse.connect)
        ended = pipeline.collect(RUN)
        assert (ended.returncode, ended.stderr) == (0, "")
        pipeline.whole()
    assert pipeline.count("ops.uploads", "outcome = 'stored' and flags <@ '{trailing_bytes}'") == len(files)
    assert pipeline.audit()["bytes"] == sum(path.stat().st_size for path in files)
