"""The report of each source and the overview in a real browser: nothing to complain of, on a desk and on a phone."""

from __future__ import annotations

import pytest

from luigi_tasks.sources import CATALOGUE
from tests.browser.invented import CHROMIUM, browser, look
from tests.browser.reported import written
from tests.conftest import Warehouse

pytest.importorskip("playwright", reason="playwright is not installed: requirements-dev.txt")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the path: apt-get install chromium")
SECTIONS = {"funnel", "steps", "failures", "requests", "freshness", "records", "quarantine", "dbt"}
BEYOND = """() => [...document.querySelectorAll('main *')]
    .filter(one => !one.closest('.scroll') && one.getBoundingClientRect().right > innerWidth + 1)
    .map(one => one.outerHTML.slice(0, 90))"""


def test_axe_finds_nothing_and_nothing_is_wider_than_the_page(warehouse: Warehouse) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    pages = written(warehouse)
    assert pages.keys() == {"overview", *CATALOGUE}
    with browser() as chromium:
        for scheme, width in (("light", 1280), ("dark", 390)):
            size = {"width": width, "height": 800}
            context = chromium.new_context(color_scheme=scheme, bypass_csp=True, viewport=size)
            looking = look(context, "")
            for name, path in pages.items():
                looking.page.goto(path.as_uri())
                there = looking.page.eval_on_selector_all("section[id]", "all => all.map(one => one.id)")
                assert (SECTIONS if name != "overview" else {"history"}) <= set(there), name
                found = axe.Axe().run(looking.page).response["violations"]
                told = [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in found]
                assert (name, width, told) == (name, width, [])
                assert (name, width, looking.page.evaluate(BEYOND)) == (name, width, [])
            context.close()
            assert looking.complaints == []
