"""`make screenshots`: run demos in a folder of their own and photograph their pages into docs/images as small WebP.

Wallpapers and sales are collected twice, Kaggle once; then a dbt test is made to fail, as somebody sees it in luigid's
page.
"""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import psycopg2
from PIL import Image
from playwright.sync_api import Browser

REPOSITORY = Path(__file__).parents[1]
IMAGES = REPOSITORY / "docs" / "images"
sys.path.insert(0, str(REPOSITORY))
WIDE, TALL, NARROW, GRAPH = (1280, 800), (1280, 1100), (390, 780), (1280, 1900)
WIDEST = (1280, 1900)
QUALITY = 70
EARLIER, LATER = "2026-01-01T07:00", "2030-01-01T07:00"
PLANT = """
update ops.loads set received = received + 1, loaded = loaded + 1 where run_key like 'wallhaven/%';
update ops.batches set tested_in = null
"""


@dataclass(frozen=True)
class Shot:
    """name: of the image. page: below the home, or an address. ready: what must be there; click: before that."""

    name: str
    page: str
    ready: str
    size: tuple[int, int] = WIDE
    scheme: str = "light"
    click: str = ""


PAGES = (
    Shot("gallery-dark", "gallery/index.html", ".tile", scheme="dark"),
    Shot("gallery-light", "gallery/index.html", ".tile"),
    Shot("gallery-narrow", "gallery/index.html", ".tile", NARROW, "dark"),
    Shot("gallery-picture", "gallery/index.html", ".pswp__details h2", scheme="dark", click=".tile >> nth=2"),
    Shot("gallery-kaggle", "gallery/index.html#source=kaggle", ".tile"),
    Shot("duplicates", "gallery/duplicates.html", "figure img"),
    Shot("overview", "reports/index.html", "section", TALL),
    Shot("models", "reports/dbt.html#!/model/model.draenei.wallpapers", ".model-markdown, .app-body", WIDE),
)


def main() -> None:
    """Collect from the stand-ins, look, keep; the demo's own folder is not touched."""
    from luigi_tasks.gateways import embedded_postgres
    from tests.browser.invented import browser

    with tempfile.TemporaryDirectory(prefix="draenei-screenshots-") as name:
        home, port = Path(name), _free_port()
        page = f"http://127.0.0.1:{port}/static/visualiser/index.html"
        environ = os.environ | {"DRAENEI_HOME": name, "SCHEDULER_PAGE": page}
        try:
            _verb(environ, "up", "--scheduler", "--port", str(port))
            for source in ("sales", "wallhaven"):
                _collect(environ, port, source, run_id=EARLIER)
            for source in ("kaggle", "sales", "wallhaven"):
                _collect(environ, port, source)
            _verb(environ, "report", "--docs")
            shots = [*PAGES, *_reports(home)]
            keep("contact-sheet", max(home.glob("reports/wallhaven/*/*/contact-sheet.webp")).read_bytes())
            with browser() as running:
                for shot in shots:
                    keep(shot.name, shoot(running, _address(home, shot.page), shot))
                _fail_a_test(embedded_postgres.ensure_running(home), environ, port)
                graph = {"tab": "graph", "visType": "svg", "taskId": _failed_model(port)}
                shot = Shot("dbt-live", f"{page}#{urlencode(graph)}", "#graphPlaceholder svg circle", GRAPH)
                keep(shot.name, shoot(running, shot.page, shot))
        finally:
            _verb(environ, "down")


def _reports(home: Path) -> list[Shot]:
    pages = sorted(home.glob("reports/*/*/*/report.html"))
    found = {page.relative_to(home / "reports").parts[0]: page for page in pages}  # the latest run of each
    where = {source: str(page.relative_to(home)) for source, page in found.items()}
    return [
        Shot("report", where["wallhaven"], "section", TALL),
        Shot("report-dark", where["wallhaven"], "section", TALL, "dark"),
        Shot("report-sales", where["sales"], "section", TALL),
        Shot("report-kaggle", where["kaggle"], "section", TALL),
    ]


def _address(home: Path, page: str) -> str:
    path, mark, rest = page.partition("#")
    return (home / path).as_uri() + mark + rest


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _verb(environ: Mapping[str, str], *words: str) -> None:
    subprocess.run([sys.executable, "-m", "luigi_tasks", *words], env=environ, cwd=REPOSITORY, check=True)


def _collect(environ: Mapping[str, str], port: int, source: str, *, run_id: str = "", fails: bool = False) -> None:
    luigi = [str(Path(sys.executable).parent / "luigi"), "--module", "luigi_tasks", "Collect", "--source", source]
    luigi += ["--scheduler-port", str(port), *(["--run-id", run_id] if run_id else [])]
    twin = [sys.executable, "-m", "twin.run", "--visits", str(Path(environ["DRAENEI_HOME"]) / "visits")]
    ended = subprocess.run([*twin, "--", *luigi], env=environ, cwd=REPOSITORY, check=False)
    assert bool(ended.returncode) == fails, ended.returncode


def _fail_a_test(server: object, environ: Mapping[str, str], port: int) -> None:
    """The ledger of a load is made to contradict itself, and dbt is run over it."""
    facts = {name: getattr(server, name) for name in ("host", "port", "user", "password", "dbname")}
    with closing(psycopg2.connect(**facts)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(PLANT)
    _collect(environ, port, "wallhaven", run_id=LATER, fails=True)


def _failed_model(port: int) -> str:
    asked = urlencode({"data": json.dumps({"status": "FAILED", "upstream_status": ""})})
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/task_list?{asked}", timeout=10) as answer:
        tasks = json.loads(answer.read())["response"]
    return next(name for name in tasks if name.startswith("Model"))


def shoot(running: Browser, address: str, shot: Shot) -> bytes:
    """A PNG of a page."""
    size = {"width": shot.size[0], "height": shot.size[1]}
    context = running.new_context(viewport=size, color_scheme=shot.scheme, reduced_motion="reduce")
    seen = context.new_page()
    seen.goto(address)
    if shot.click:
        seen.click(shot.click)
    seen.wait_for_selector(shot.ready)
    seen.wait_for_timeout(1500)
    picture = seen.screenshot()
    context.close()
    return picture


def keep(name: str, body: bytes) -> None:
    """As WebP under docs/images, no wider than a page."""
    IMAGES.mkdir(exist_ok=True)
    with Image.open(io.BytesIO(body)) as picture:
        picture.thumbnail(WIDEST)
        picture.convert("RGB").save(IMAGES / f"{name}.webp", "WEBP", quality=QUALITY, method=6)
    sys.stdout.write(f"docs/images/{name}.webp {(IMAGES / f'{name}.webp').stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
