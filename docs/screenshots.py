"""`make screenshots`: run the demo in a folder of its own, photograph its gallery into docs/images as small WebP."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser

REPOSITORY = Path(__file__).parents[1]
IMAGES = REPOSITORY / "docs" / "images"
sys.path.insert(0, str(REPOSITORY))
WIDE, NARROW = (1280, 800), (390, 780)
QUALITY = 70
SHOTS = (
    ("gallery-dark", "index.html", WIDE, "dark", ".tile"),
    ("gallery-light", "index.html", WIDE, "light", ".tile"),
    ("gallery-narrow", "index.html", NARROW, "dark", ".tile"),
    ("gallery-picture", "index.html", WIDE, "dark", ".pswp__details h2"),
)


def main() -> None:
    """Collect from the stand-in, look, keep; the demo's own folder is not touched."""
    from luigi_tasks.gateways import embedded_postgres
    from tests.browser.invented import browser

    with tempfile.TemporaryDirectory(prefix="draenei-screenshots-") as home:
        environment = os.environ | {"DRAENEI_HOME": home}
        luigi = str(Path(sys.executable).parent / "luigi")
        collect = [sys.executable, "-m", "twin.run", "--", luigi, "--module", "luigi_tasks", "Collect"]
        try:
            subprocess.run(collect, env=environment, cwd=REPOSITORY, check=True)
            with browser() as running:
                for name, page, size, scheme, ready in SHOTS:
                    keep(name, shoot(running, Path(home) / "gallery" / page, size, scheme, ready))
        finally:
            embedded_postgres.stop(Path(home))


def shoot(running: Browser, page: Path, size: tuple[int, int], scheme: str, ready: str) -> bytes:
    """A PNG of a page. ready: what must be there; what is in the full view is opened by a click."""
    context = running.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    seen = context.new_page()
    seen.goto(page.as_uri())
    seen.wait_for_selector("#count:has-text('pictures'), #progress:has-text('decide')")
    if ready.startswith(".pswp"):
        seen.click(".tile >> nth=2")
    seen.wait_for_selector(ready)
    seen.wait_for_timeout(1000)
    picture = seen.screenshot()
    context.close()
    return picture


def keep(name: str, png: bytes) -> None:
    """As WebP under docs/images."""
    IMAGES.mkdir(exist_ok=True)
    with Image.open(io.BytesIO(png)) as picture:
        picture.convert("RGB").save(IMAGES / f"{name}.webp", "WEBP", quality=QUALITY, method=6)
    sys.stdout.write(f"docs/images/{name}.webp {(IMAGES / f'{name}.webp').stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
