"""A gallery of invented pictures, as large as asked, and a browser to look at it with."""

from __future__ import annotations

import hashlib
import random
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from luigi_tasks.steps.gallery import Content, lay_out, pack

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SIZES = [(1920, 1080), (2560, 1440), (3840, 2160), (1280, 1024), (1080, 1920), (3440, 1440), (2000, 2000)]
COLOURS = ["#660000", "#cc0000", "#ff9900", "#ffff00", "#77cc33", "#0099cc", "#333399", "#663399", "#ffffff", "#000000"]
TAGS = ["draenei", "mountain", "sea", "night", "portrait", "city", "blue skin", "video games", "forest", "stars"]
HOSTILE = '</script><script>document.title="hit"</script><img src=x onerror=\'document.title="hit"\'>'
THUMBNAILS = 24
NEAR = (("p00001", "p00002"), ("p00003", "p00004"), ("p00005", "p00000"))
VERDICT = {"sha256_a": "1" * 64, "sha256_b": "2" * 64, "verdict": "same", "decided_at": "2026-11-01T00:00:00Z"}


def sha256(picture_id: str) -> str:
    """What an invented picture's bytes would have."""
    return hashlib.sha256(picture_id.encode()).hexdigest()


def picture(number: int) -> dict[str, Any]:
    """A row as gallery_ledger.pictures gives it. Every tenth is nsfw; p00007 has a hostile tag."""
    dice = random.Random(number)
    picture_id, (width, height) = f"p{number:05}", SIZES[number % len(SIZES)]
    thumbnail = f"derivatives/{picture_id}.webp"
    near = [[other, 2, "near"] for pair in NEAR if picture_id in pair for other in pair if other != picture_id]
    seen = f"2026-11-{1 + number % 20:02}T07:00:00+00:00"
    return {
        "id": picture_id,
        "source": "wallhaven",
        "title": None,
        "small": thumbnail,
        "large": thumbnail,
        "original": thumbnail,
        "sha256": sha256(picture_id),
        "width": width,
        "height": height,
        "bytes": 50_000 + number * 10,
        "purity": "nsfw" if number % 10 == 9 else "sketchy" if number % 10 == 8 else "sfw",
        "category": ("general", "anime", "people")[number % 3],
        "colors": dice.sample(COLOURS, 5),
        "tags": [HOSTILE, "draenei"] if number == 7 else dice.sample(TAGS, 4),
        "uploader": f"user{number % 50}",
        "views": dice.randrange(10_000),
        "favorites": number,
        "uploaded": 1_600_000_000 + number * 1000,
        "found": 1_793_491_200 + (number % 20) * 86_400,
        "state": "gone" if number == 11 else "active",
        "cluster": (near and min(picture_id, near[0][0])) or None,
        "canonical": bool(near) and picture_id < near[0][0],
        "queries": ["wallhaven/draenei"] if number % 2 else ["wallhaven/draenei", "wallhaven/stars"],
        "fields": {
            "url": f"https://wallhaven.cc/w/{picture_id}",
            "first_seen_at": seen,
            "source": "javascript:alert(1)",
        },
        "near": near or None,
        "life": [{"state": "active", "from": seen, "to": None, "reason": None}],
        "versions": [
            {"number": 1, "from": seen, "to": seen, "purity": "sfw", "colors": []},
            {"number": 2, "from": "2026-11-21T07:00:00+00:00", "to": None, "purity": "sketchy", "colors": []},
        ],
        "attempts": [{"attempt": 1, "outcome": "stored", "reason": "", "run": "r", "at": seen}],
        "origin": {
            "version": 1,
            "page": "raw/wallhaven/page.gz",
            "page_sha256": "0" * 64,
            "position": 3,
            "request": {"method": "GET", "path": "/search", "params": {"q": "draenei"}},
            "address": "https://wallhaven.cc/api/v1",
            "run": "r",
            "run_state": "succeeded",
            "code": "0.1.0",
            "settings": "0" * 64,
        },
    }


def content(size: int) -> Content:
    """So many pictures, three near pairs of them, one verdict of before."""
    queries = [{"key": f"wallhaven/{text}", "text": text, "pictures": size} for text in ("draenei", "stars")]
    pairs = [
        {"a": a, "b": b, "sha256_a": sha256(a), "sha256_b": sha256(b), "distance": 2, "kind": "near"} for a, b in NEAR
    ]
    review = {"pairs": pairs, "verdicts": [VERDICT]}
    return Content("as of", "state", pack(map(picture, range(size)), queries), queries, review)


def gallery(folder: Path, size: int) -> Path:
    """Write it; the folder of the pages."""
    thumbnails = folder / "objects" / "derivatives"
    thumbnails.mkdir(parents=True)
    for number in range(THUMBNAILS):
        Image.effect_noise((320, 200), 20 + number).save(thumbnails / f"{number}.noise", "WEBP")
    for number in range(size):  # a name each, so that a request says which picture it is for
        (thumbnails / f"p{number:05}.webp").hardlink_to(thumbnails / f"{number % THUMBNAILS}.noise")
    lay_out(content(size), folder / "gallery", "../objects/")
    return folder / "gallery"


@dataclass
class Looking:
    """A page, and what it did that it should not have."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def go(self, page: str = "index.html", address: str = "") -> None:
        """Open a page of the gallery, anew."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.address}/{page}{address}")
        self.until("document.querySelector('#count, #progress').textContent !== 'Loading …'")

    def until(self, expression: str) -> None:
        """Wait until it is true in the page; Playwright's own way needs what the page's policy forbids."""
        deadline = time.monotonic() + 8
        while not self.page.evaluate(expression):
            assert time.monotonic() < deadline, f"never became true: {expression}"
            self.page.wait_for_timeout(20)

    def thumbnails(self) -> list[str]:
        """Ids of the pictures whose thumbnails were asked for."""
        return [Path(url).stem for url in self.requests if "/derivatives/" in url]

    @property
    def count(self) -> str:
        """What the page says it shows."""
        return self.page.inner_text("#count")

    def ids(self) -> list[str]:
        """Ids of the tiles that are in the page, in their order."""
        links = self.page.eval_on_selector_all(".tile", "tiles => tiles.map(tile => tile.getAttribute('href'))")
        return [link.removeprefix("#id=") for link in links]


def look(context: BrowserContext, address: str) -> Looking:
    """A new page that remembers errors and requests. address: of the gallery."""
    page = context.new_page()
    page.set_default_timeout(8000)
    looking = Looking(page, address)
    page.on("console", lambda said: looking.complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda problem: looking.complaints.append(str(problem)))
    page.on("request", lambda request: looking.requests.append(request.url))
    return looking


@contextmanager
def browser() -> Iterator[Any]:
    """Chromium without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()
