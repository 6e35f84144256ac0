"""The helper verbs as a user meets them: help that comes at once, errors of one line, exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from luigi_tasks.__main__ import VERBS
from luigi_tasks.sources import CATALOGUE

ROOT = Path(__file__).parents[2]
HEAVY = ("luigi", "boto3", "botocore", "dbt", "PIL", "requests", "psycopg2", "pandas", "pyarrow")
NOT_LOADED = f"""
import atexit, sys
heavy = set({HEAVY!r})
atexit.register(lambda: print(len(sys.modules), "modules\\nLOADED", *sorted(set(sys.modules) & heavy)))
from luigi_tasks.__main__ import run
run(sys.argv[1:])
"""
# What a start costs is what it imports, and a busy machine does not change that: modules that each --help loaded on
# 2026-11-21, of Python's own, of packages and of ours. Others may load as many as the most of these.
MODULES = dict.fromkeys(("gallery", "fsck", "takedown", "report", "notify", "erase", "config"), 324) | {
    "status": 349,
    "explain": 351,
    "plan": 353,
    "retry": 339,
    "redshift": 124,
    "doctor": 392,
    "replay": 453,
    "quarantine": 432,
    "luigi": 514,
    "first": 120,
}
OTHERS, SLACK = 402, 1.1


def is_heavy(done: subprocess.CompletedProcess[str], name: str) -> bool:
    """Whether it loaded something that is heavy; AssertionError when it loaded many modules."""
    *_, count, heavy = done.stdout.splitlines()
    most = SLACK * MODULES.get(name, OTHERS)
    assert int(count.removesuffix(" modules")) <= most, f"{name}: {count}, at most {most:.0f}: import later what is new"
    return heavy != "LOADED"


def verb(folder: Path, *words: str, script: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    """python -m luigi_tasks WORDS in a folder, with that environment and nothing else of this machine's."""
    start = ["-c", script] if script else ["-m", "luigi_tasks"]
    return subprocess.run(
        [sys.executable, *start, *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_explains_itself_and_loads_little(tmp_path: Path, name: str) -> None:
    done = verb(tmp_path, name, "--help", script=NOT_LOADED)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Usage: python -m luigi_tasks {name}" in done.stdout
    assert not is_heavy(done, name)
    assert list(tmp_path.iterdir()) == []


def test_the_first_help_lists_the_verbs_and_gives_examples(tmp_path: Path) -> None:
    done = verb(tmp_path, "--help", script=NOT_LOADED)
    assert (done.returncode, done.stderr) == (0, "")
    for name, (_, text) in VERBS.items():
        assert any(line.split(None, 1)[:1] == [name] for line in done.stdout.splitlines()), name
        assert text.split(";")[0][:30] in done.stdout
    assert "Examples:\n    python -m luigi_tasks up --scheduler" in done.stdout
    assert not is_heavy(done, "first")


@pytest.mark.parametrize("words", [("destroy",), ("status", "--nonsense"), ("status", "--runs", "many")])
def test_a_wrong_word_is_exit_code_2(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = verb(tmp_path, *words)
    assert done.returncode == 2
    assert "Error: " in done.stderr
    assert "Traceback" not in done.stderr


def test_an_error_is_one_line_that_says_what_to_type(tmp_path: Path) -> None:
    done = verb(tmp_path, "status")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line == (f"error: the embedded database is down ({tmp_path / 'var'}). Start it: python -m luigi_tasks up")
    assert list(tmp_path.iterdir()) == [], "status starts and writes nothing"


def test_the_traceback_comes_when_it_is_asked_for(tmp_path: Path) -> None:
    done = verb(tmp_path, "-v", "status")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "the embedded database is down" in done.stderr


def test_a_bad_setting_is_one_line_in_every_verb(tmp_path: Path) -> None:
    for name in ("config", "plan", "status", "env"):
        done = verb(tmp_path, name, PGPORT="postgres")
        assert done.returncode == 1
        assert done.stderr.startswith("error: PGPORT (environment): ")
        assert len(done.stderr.splitlines()) == 1


def test_a_server_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    done = verb(tmp_path, "status", PGHOST="127.0.0.1", PGPORT="1", PGUSER="me", PGPASSWORD="canary")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "refused" in line
    assert line.endswith("Check the PG* settings.")
    assert "canary" not in line


def test_the_plan_says_what_would_be_asked_and_writes_nothing(tmp_path: Path) -> None:
    done = verb(tmp_path, "plan", "--query", "murloc", WALLHAVEN_PURITY="110")
    assert (done.returncode, done.stderr) == (0, "")
    words = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert words[0] == "ask https://wallhaven.cc/api/v1/search"
    assert {"page=1", "purity=110", "q=murloc"} <= set(words)
    assert "known nothing yet: every page is read, every picture is downloaded" in words
    assert list(tmp_path.iterdir()) == []


ASKED_OF = {
    "wallhaven": "ask https://wallhaven.cc/api/v1/search",
    "jsonplaceholder": "ask https://jsonplaceholder.typicode.com/posts",
    "randomuser": "ask https://randomuser.me/api/1.4/",
    "kaggle": "ask the archive of paramaggarwal/fashion-product-images-small from https://www.kaggle.com/api/v1",
    "sales": "ask /data/2026/sales.csv",
}


@pytest.mark.parametrize("source", sorted(CATALOGUE))
def test_every_source_has_a_plan(tmp_path: Path, source: str) -> None:
    done = verb(tmp_path, "plan", "--source", source, SALES_FILE="/data/2026/sales.csv")
    assert (done.returncode, done.stderr) == (0, "")
    words = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert [line for line in words if line.startswith(ASKED_OF[source])] != []
    assert [line for line in words if line.startswith("budget ")] != []
    assert [line for line in words if line.startswith("store ")] != []
    assert list(tmp_path.iterdir()) == []


def test_a_filter_that_the_api_would_ignore_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    done = verb(tmp_path, "plan", WALLHAVEN_RATIOS="16:9")
    assert done.returncode == 1
    assert done.stderr.startswith("error: WALLHAVEN_RATIOS=16:9 is not a value of the API")


# Luigi itself imports requests.
HEAVY_FOR_LUIGI = (
    *("boto3", "botocore", "dbt", "PIL", "psycopg2", "pyarrow", "jsonschema_rs", "apprise", "prometheus_client"),
    *("matplotlib", "pandas", "pydantic", "yaml"),
)
LUIGI_LOADED = f"""
import atexit, sys
heavy = set({HEAVY_FOR_LUIGI!r})
atexit.register(lambda: print(len(sys.modules), "modules\\nLOADED", *sorted(set(sys.modules) & heavy)))
from luigi.cmdline import luigi_run
sys.argv = ["luigi", *sys.argv[1:]]
luigi_run()
"""


@pytest.mark.parametrize("words", [("--help",), ("Collect", "--help"), ("sales.Collect", "--help")])
def test_the_help_of_luigi_loads_little_and_no_driver(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = verb(tmp_path, "--module", "luigi_tasks", *words, script=LUIGI_LOADED)
    assert done.returncode == 0, done.stderr
    assert "usage: luigi" in done.stdout
    assert ("--query" in done.stdout) == (len(words) > 1)
    assert not is_heavy(done, "luigi")
