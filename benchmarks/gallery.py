"""How smooth the gallery is at 10,000 pictures: python -m benchmarks.gallery [PICTURES]; needs Chromium.

Scrolls as a wheel does (60 pixels a frame), then through the whole wall in 240 frames, and says what frames, tasks,
a search and a sort took and how many tiles were elements. Chromium without a window draws on the processor.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from benchmarks import measurements
from tests.browser.invented import browser, gallery, look

SCROLL = """
async (pixels) => {
  const tasks = [], gaps = [];
  new PerformanceObserver((list) => list.getEntries().forEach((task) => tasks.push(task.duration)))
    .observe({ type: "longtask" });
  const frame = () => new Promise(requestAnimationFrame);
  const height = document.body.scrollHeight, steps = 240, each = pixels || height / steps;
  let last = await frame(), most = 0;
  for (let step = 0; step <= steps; step += 1) {
    scrollTo(0, each * step);
    const now = await frame();
    gaps.push(now - last);
    last = now;
    most = Math.max(most, document.getElementsByClassName("tile").length);
  }
  const timed = (work) => { const at = performance.now(); work(); return performance.now() - at; };
  gaps.sort((one, other) => one - other);
  return {
    pictures: collection.pictures.length, wall_pixels: height, frames: gaps.length,
    median_frame_ms: gaps[gaps.length >> 1], p95_frame_ms: gaps[Math.floor(gaps.length * 0.95)],
    longest_frame_ms: gaps.at(-1),
    long_tasks: tasks.length, longest_task_ms: Math.max(0, ...tasks), most_tiles_in_page: most,
    search_ms: timed(() => filters.set("text", "blue")),
    sort_ms: timed(() => { filters.set("text", ""); filters.set("sort", "hue"); }),
  };
}
"""


def main(size: int) -> int:
    """Print one JSON object."""
    with tempfile.TemporaryDirectory() as folder, browser() as running:
        written = gallery(Path(folder), size)
        looking = look(running.new_context(viewport={"width": 1440, "height": 900}), written.as_uri())
        looking.go()
        opened = looking.page.evaluate("performance.now()")
        steady, whole = (looking.page.evaluate(SCROLL, pixels) for pixels in (60, 0))
    print(json.dumps({"opened_ms": opened, "steady": steady, "whole": whole}, indent=1))
    figures = {"opening": {"ms": opened}, "steady": steady, "whole": whole}
    return measurements.keep("gallery", {"pictures": size}, figures)


if __name__ == "__main__":
    sys.exit(main(*map(int, measurements.words() or ["10000"])))
