"""`python -m twin.run`: a command with the twin up, its address in the environment, a site that grows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ASK = """
import json, os, sys, urllib.request
request = urllib.request.Request(os.environ["WALLHAVEN_API_URL"] + "/search?q=draenei", headers={"User-Agent": "test"})
meta = json.load(urllib.request.urlopen(request))["meta"]
print(json.dumps({"total": meta["total"], "images": os.environ["WALLHAVEN_IMAGE_HOSTS"]}))
sys.exit(7)
"""


def _run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "twin.run", "--small", *options, "--", sys.executable, "-c", ASK]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_finds_the_twin_and_its_exit_code_is_ours() -> None:
    done = _run()
    assert done.returncode == 7, done.stderr
    answer = json.loads(done.stdout)
    assert answer["total"] == 64
    assert answer["images"].startswith("127.0.0.1:")


def test_the_site_grows_between_visits(tmp_path: Path) -> None:
    visits = tmp_path / "demo" / "visits"
    totals = [json.loads(_run("--visits", str(visits)).stdout)["total"] for _ in range(3)]
    assert totals == [64, 88, 112]


def test_a_command_that_does_not_exist_is_said() -> None:
    command = [sys.executable, "-m", "twin.run", "--small", "--", "/no/such/command"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "/no/such/command" in done.stderr
    assert "Traceback" not in done.stderr
