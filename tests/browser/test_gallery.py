"""The gallery in a real browser, from file://, with 10,000 pictures: every one of its promises, clicked and typed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.browser.invented import CHROMIUM, Looking, browser, gallery, look, sha256

pytest.importorskip("playwright", reason="playwright is not installed: requirements-dev.txt")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the path: apt-get install chromium")
SIZE = 10_000
ORDERS = {
    "uploaded": "p => p.uploaded",
    "found": "p => p.found",
    "favorites": "p => p.favorites",
    "views": "p => p.views",
    "pixels": "p => p.width * p.height",
    "bytes": "p => p.bytes",
    "hue": "p => p.colors.length && -p.hue",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gallery(tmp_path_factory.mktemp("gallery"), SIZE)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as running:
        yield running


@pytest.fixture
def looking(chromium: Any, folder: Path) -> Iterator[Looking]:
    """A fresh profile; afterwards: no complaint, and nothing asked for but files of the gallery."""
    size = {"width": 1300, "height": 850}
    context = chromium.new_context(color_scheme="dark", reduced_motion="reduce", viewport=size)
    seen = look(context, folder.as_uri())
    yield seen
    context.close()
    assert seen.complaints == []
    place = folder.parent.as_uri()
    foreign = [url for url in seen.requests if not url.startswith((place, "about:", "data:", "blob:"))]
    assert seen.requests
    assert foreign == []


def test_ten_thousand_pictures_with_few_elements_and_nsfw_only_when_chosen(looking: Looking) -> None:
    looking.go()
    page = looking.page
    assert looking.count == "9,000 of 10,000 pictures"
    assert looking.ids()[:3] == ["p09998", "p09997", "p09996"]
    looking.until("[...document.images].every(image => image.complete)")
    assert set(looking.thumbnails()) == set(looking.ids()), "what is near the window, and nothing else"
    assert not any("photoswipe" in url for url in looking.requests), "not before a picture is opened"
    middle = page.evaluate("document.body.scrollHeight / 2")
    for place in (middle, middle * 2, 0):
        page.evaluate("place => scrollTo(0, place)", place)
        looking.until("[...document.querySelectorAll('.tile')].some(tile => tile.getBoundingClientRect().top > 0)")
        assert 5 < len(looking.ids()) < 120
    assert not any(picture_id.endswith("9") for picture_id in [*looking.ids(), *looking.thumbnails()])
    assert 10 < len(set(looking.thumbnails())) < 400
    page.check("input[value=nsfw]")
    assert looking.count == "10,000 pictures"
    assert looking.ids()[0] == "p09999"


def test_every_filter_and_order_shows_what_it_says(looking: Looking) -> None:
    looking.go()
    page = looking.page
    page.fill("#search", "blue, sea")
    looking.until("location.hash.includes('text')")
    tagged = int(re.match(r"[\d,]+", looking.count)[0].replace(",", ""))  # type: ignore[index]
    assert 500 < tagged < 3000
    page.click("text=Clear all") if page.is_visible("text=Clear all") else page.click("#chosen .chip")
    assert looking.count == "9,000 of 10,000 pictures"

    page.check("input[value=anime]")
    page.check("input[value='21:9']")
    page.select_option("select[name=size]", "2560x1440")
    found = page.evaluate("grid.pictures.map(p => [p.category, p.ratio, p.width >= 2560 && p.height >= 1440].join())")
    assert set(found) == {"anime,21:9,true"}
    assert looking.count == f"{len(found)} of 10,000 pictures"
    looking.go(address=page.evaluate("location.hash"))
    assert looking.count == f"{len(found)} of 10,000 pictures", "an address brings the filters back"
    page.click("text=Clear all")

    page.check("input[name=duplicates]")
    assert sorted(looking.ids()) == ["p00000", "p00001", "p00002", "p00003", "p00004", "p00005"]
    page.click("#chosen .chip")
    page.check("input[name=lost]")
    assert looking.ids() == ["p00011"]
    page.click("#chosen .chip")
    page.check("input[value='#0099cc']", force=True)
    assert set(page.evaluate("grid.pictures.map(p => p.colors.includes('#0099cc'))")) == {True}
    page.click("#chosen .chip")
    page.check("input[value='wallhaven/stars']")
    assert set(page.evaluate("grid.pictures.map(p => Number(p.id.slice(1)) % 2)")) == {0}
    page.click("#chosen .chip")
    page.fill("input[name=since]", "2026-11-19")
    page.dispatch_event("input[name=since]", "change")
    assert set(page.evaluate("grid.pictures.map(p => Number(p.id.slice(1)) % 20)")) == {18}
    page.click("#chosen .chip")
    assert page.eval_on_selector_all("#sort option", "all => all.map(one => one.value)") == [*ORDERS, "shuffle"]
    for order, value in ORDERS.items():
        page.select_option("#sort", order)
        assert page.evaluate(f"grid.pictures.every((p, i, all) => !i || ({value})(all[i-1]) >= ({value})(p))"), order
    page.select_option("#sort", "shuffle")
    numbers = page.evaluate("grid.pictures.map(p => Number(p.id.slice(1)))")
    assert len(set(numbers)) == 9000
    assert 4000 < sum(one > other for one, other in pairwise(numbers)) < 5000


def test_keys_lead_through_the_wall_into_the_full_view_and_back(looking: Looking) -> None:
    looking.go()
    page = looking.page
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.type("draenei")
    looking.until("location.hash.includes('draenei')")
    page.keyboard.press("Enter")
    focused = "document.activeElement.getAttribute('href')"
    order = looking.ids()
    assert page.evaluate(focused) == f"#id={order[0]}"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    below = page.evaluate(focused)
    page.keyboard.press("ArrowUp")
    assert page.evaluate(focused) == f"#id={order[1]}" != below
    page.keyboard.press("End")
    assert page.evaluate(
        "document.activeElement.parentElement.ariaPosInSet === document.activeElement.parentElement.ariaSetSize"
    )
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    page.wait_for_selector(f".pswp__details h2:has-text('{order[0]}')")
    page.wait_for_selector(".pswp--ui-visible")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(f".pswp__details h2:has-text('{order[1]}')")
    page.keyboard.press("i")
    assert not page.is_visible(".pswp__details")
    page.keyboard.press("Escape")
    page.wait_for_selector(".pswp", state="detached")
    assert page.evaluate(focused) == f"#id={order[1]}"
    page.keyboard.press("t")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.keyboard.press("?")
    assert page.is_visible("#help")
    page.keyboard.press("Escape")
    looking.go()
    assert page.evaluate("document.documentElement.dataset.theme") == "light", "the choice is kept"


def test_the_full_view_has_every_fact_and_believes_no_stranger(looking: Looking) -> None:
    looking.go(address="#id=p00007")
    page = looking.page
    page.wait_for_selector(".pswp__details h2")
    facts = page.inner_text(".pswp__details")
    for said in (
        "p00007",
        "</script>",
        "Version 2: Purity: sfw → sketchy",
        "Download 1: stored",
        "raw/wallhaven/page.gz",
    ):
        assert said in facts
    assert "GET https://wallhaven.cc/api/v1/search?q=draenei" in facts
    assert "luigi_tasks explain p00007" in facts
    assert page.title() == "Gallery", "a tag is text"
    assert (
        page.eval_on_selector_all(".pswp__details a", "all => all.filter(a => a.href.startsWith('javascript')).length")
        == 0
    )

    looking.go(address="#id=p00001")
    page.click(".near a:has-text('p00002')")
    page.wait_for_selector(".pswp__details h2:has-text('p00002')")
    looking.go(address="#id=p00009")
    assert not page.is_visible(".pswp"), "nsfw is not opened by an address either"


def swipe(page: Any, start: int, end: int, y: int) -> None:
    """A finger across the page; Playwright itself only taps."""
    fingers = page.context.new_cdp_session(page)
    for kind, places in (
        ("touchStart", [start]),
        ("touchMove", [start + (end - start) * step // 6 for step in range(1, 7)]),
        ("touchEnd", [None]),
    ):
        for x in places:
            points = [] if x is None else [{"x": x, "y": y}]
            fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
            page.wait_for_timeout(16)


def test_touch_and_a_narrow_window(chromium: Any, folder: Path) -> None:
    phone = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}
    context = chromium.new_context(reduced_motion="reduce", **phone)
    looking = look(context, folder.as_uri())
    looking.go()
    page = looking.page
    assert not page.is_visible("#filters")
    page.tap("#toggle")
    page.tap("input[value=anime]")
    page.tap("#toggle")
    assert not page.is_visible("#filters")
    page.tap(".tile")
    page.wait_for_selector(f".pswp__details h2:has-text('{looking.ids()[0]}')")
    page.wait_for_selector(".pswp--ui-visible")
    swipe(page, 330, 60, 180)
    page.wait_for_selector(f".pswp__details h2:has-text('{looking.ids()[1]}')")
    swipe(page, 60, 330, 180)
    page.wait_for_selector(f".pswp__details h2:has-text('{looking.ids()[0]}')")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()
    assert looking.complaints == []


def test_verdicts_leave_as_the_seed(looking: Looking) -> None:
    looking.go("duplicates.html")
    page = looking.page
    assert page.inner_text("#progress") == "3 of 3 pairs to decide"
    page.keyboard.press("s")
    page.click("#different")
    assert page.inner_text("#progress") == "1 of 3 pairs to decide"
    looking.go("duplicates.html")
    assert page.inner_text("#progress") == "1 of 3 pairs to decide", "kept until they are exported"
    with page.expect_download() as download:
        page.click("#export")
    assert download.value.suggested_filename == "duplicate_verdicts.csv"
    head, *rows = Path(download.value.path()).read_text().splitlines()
    assert head == "sha256_a,sha256_b,verdict,decided_at"
    said = {tuple(row.split(",")[:3]) for row in rows}
    first, second = (sorted(map(sha256, pair)) for pair in (("p00001", "p00002"), ("p00003", "p00004")))
    assert said == {("1" * 64, "2" * 64, "same"), (*first, "same"), (*second, "different")}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row.split(",")[3]) for row in rows)
    page.check("#decided")
    page.keyboard.press("ArrowLeft")
    assert page.inner_text(".between .said") == "different"


@pytest.mark.parametrize(("scheme", "width"), [("dark", 1280), ("light", 1280), ("light", 390)])
def test_axe_finds_nothing(chromium: Any, folder: Path, scheme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    context = chromium.new_context(color_scheme=scheme, bypass_csp=True, viewport={"width": width, "height": 780})
    looking = look(context, folder.as_uri())
    for page, address, key, ready in (
        ("index.html", "", "f", ".tile"),
        ("index.html", "", "?", "#help[open]"),
        ("index.html", "#id=p00001", "", ".pswp__details h2"),
        ("duplicates.html", "", "", "figure"),
    ):
        looking.go(page, address)
        if key:
            looking.page.keyboard.press(key)
        looking.page.wait_for_selector(ready)
        looking.page.wait_for_timeout(400)
        found = axe.Axe().run(looking.page).response["violations"]
        assert [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in found] == [], (page, address, key)
    context.close()


@pytest.mark.parametrize(("page", "most"), [("index.html", 50_000), ("duplicates.html", 25_000)])
def test_a_page_with_all_that_it_loads_is_small(folder: Path, page: str, most: int) -> None:
    text = (folder / page).read_text()
    loaded = re.findall(r'(?:src|href)="([a-z.]+\.(?:js|css))"', text)
    assert len(loaded) > 3
    assert sum((folder / name).stat().st_size for name in [page, *loaded]) < most
    assert "noindex" in text


def test_with_the_full_view_it_is_below_100_000_bytes(looking: Looking, folder: Path) -> None:
    looking.go(address="#id=p00001")
    looking.page.wait_for_selector(".pswp__details h2")
    shell = {Path(url.partition("#")[0].removeprefix("file://")) for url in looking.requests if "/data/" not in url}
    files = [path for path in shell if path.parent == folder]
    assert {"index.html", "photoswipe.umd.min.js", "photoswipe.css"} <= {path.name for path in files}
    assert sum(path.stat().st_size for path in files) < 100_000
