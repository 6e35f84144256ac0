"""What luigi's exit code says, and that a failure loses nothing: after it the same command completes."""

from __future__ import annotations

import re
import time

import pytest

from tests.journey.running import RUN, Pipeline, wait_until
from tests.prove.depth import DEEP
from twin import Fault, Twin

LATER_RUN = "2026-11-21T07:01"
IMPATIENT = {"HTTP_MAX_ATTEMPTS": "2", "HTTP_TIMEOUT_SECONDS": "5"}
FOR_EVER = {
    "401": (Fault("status", "search", status=401, times=None), "401: the source refuses us"),
    "403": (Fault("status", "search", status=403, times=None), "403: the source refuses us (text/html)"),
    "429": (Fault("throttle", "search", retry_after=1, times=None), "429: too many requests"),
    "429-long": (Fault("throttle", "search", retry_after=3600, times=None), "HTTP_MAX_WAIT_SECONDS"),
    "html": (Fault("html_200", "search", times=None), "200 with text/html where JSON was due"),
    "broken": (Fault("bad_json", "search", page=1, times=None), "JSON"),
    "empty": (Fault("empty_data", "search", page=1, times=None), "page 1 of 2 is empty"),
}


def say_what_failed(pipeline: Pipeline, stderr: str, task: str, words: str) -> None:
    """One clear error, no traceback, and the run says the same of itself."""
    assert words in stderr
    assert "Traceback" not in stderr
    ((state, error, finished),) = pipeline.rows("select state, error, finished_at from ops.runs")
    assert state == "failed"
    assert error.startswith(f"{task}: ")
    assert words in error
    assert finished is not None
    assert pipeline.count("ops.uploads") == 0
    assert pipeline.objects() == {}


@pytest.mark.parametrize("name", FOR_EVER)
def test_a_source_that_gives_no_answer_is_an_error(pipeline: Pipeline, name: str) -> None:
    fault, words = FOR_EVER[name]
    pipeline.twin.catalogue.upload(20)
    pipeline.twin.faults.add(fault)
    ended = pipeline.collect(RUN, **IMPATIENT)
    assert ended.returncode == 30
    say_what_failed(pipeline, ended.stderr, "Fetch", words)
    assert f"Run {pipeline.value('select run_key from ops.runs')} failed" in ended.stdout
    assert f"luigi --module luigi_tasks Collect --query draenei --run-id {RUN}" in ended.stdout
    assert pipeline.count("ops.pages") == 0
    assert pipeline.objects("raw").keys() == {key for key in pipeline.objects("raw") if ".refused-" in key} != set()


@DEEP
def test_a_source_that_is_down_then_up(pipeline: Pipeline, twin: Twin) -> None:
    twin.stop()
    down = pipeline.collect(RUN, **IMPATIENT)
    assert down.returncode == 30
    say_what_failed(pipeline, down.stderr, "Fetch", "Connection refused")
    twin.start()
    up = pipeline.collect(RUN)
    assert (up.returncode, up.stderr) == (0, "")
    pipeline.whole()
    assert (pipeline.audit()["state"], pipeline.audit()["error"]) == ("succeeded", None)


@DEEP
def test_a_source_that_breaks_off_loses_nothing_and_gives_nothing_up(pipeline: Pipeline) -> None:
    """Half the details came, then 403 for ever: what came stays; then all is well again."""
    pipeline.twin.faults.add(Fault("status", "detail", after=6, status=403, times=None))
    refused = pipeline.collect(RUN, **IMPATIENT)
    assert refused.returncode == 30
    assert "403: the source refuses us" in refused.stderr
    audit = pipeline.audit()
    assert audit["state"] == "failed"
    assert str(audit["error"]).startswith("FetchDetails: 403")
    assert audit["uploaded"] == 12
    assert pipeline.count("ops.pages", "entity = 'wallpaper'") == 6
    assert pipeline.count("draenei_content.wallpapers", "upload_status = 'gone'") == 0
    pipeline.twin.faults.clear()
    pipeline.twin.clear_requests()
    ended = pipeline.collect(RUN)
    assert ended.returncode == 0, ended.stderr
    pipeline.whole()
    assert [request.route.kind for request in pipeline.twin.requests] == ["detail"] * 6
    assert pipeline.count("draenei_content.wallpapers", "tags is null") == 0


@DEEP
def test_an_image_host_that_is_down_is_no_failure_of_the_run(pipeline: Pipeline) -> None:
    ids = pipeline.twin.catalogue.ids
    broken = ids[:3]
    pipeline.twin.faults.add(*(Fault("reset", "image", id=name, times=None) for name in broken))
    ended = pipeline.collect()
    assert ended.returncode == 0, ended.stderr
    assert dict(pipeline.rows("select wallhaven_id, outcome from ops.uploads")) == {
        name: "unreachable" if name in broken else "stored" for name in ids
    }
    assert pipeline.audit()["failures_by_reason"] == {"unreachable": 3}
    assert pipeline.audit()["pending_after"] == 3
    assert "failed      3: unreachable 3" in ended.stdout
    pipeline.twin.faults.clear()
    assert pipeline.collect(LATER_RUN).returncode == 0
    assert pipeline.count("ops.uploads", "outcome = 'stored'") == len(pipeline.objects()) == 12


def test_a_second_collect_exits_with_10_and_touches_nothing(pipeline: Pipeline) -> None:
    pipeline.twin.faults.add(Fault("slow", "search", page=1, seconds=600))
    first = pipeline.start(RUN)
    wait_until(pipeline.twin.api_calls, "the first request")
    ledger = "select to_jsonb(r) from ops.runs as r"
    rows, objects = pipeline.rows(ledger), pipeline.objects("")
    for run_id in (RUN, LATER_RUN):
        begun = time.monotonic()
        second = pipeline.collect(run_id)
        assert time.monotonic() - begun < 30
        assert second.returncode == 10
        assert re.search(r"another Collect of wallhaven is running \(wallhaven/draenei-\w+/\S+, since", second.stderr)
        assert "python -m luigi_tasks status" in second.stderr
        assert second.stdout == ""
    assert (pipeline.rows(ledger), pipeline.objects("")) == (rows, objects)
    assert len(pipeline.twin.requests) == 1
    assert first.runs()


@pytest.mark.parametrize(
    ("run_id", "environ", "code", "words"),
    [
        (RUN, {"WALLHAVEN_PURITY": "7"}, 35, "WALLHAVEN_PURITY=7 is not a value of the API"),
        (RUN, {"PGPORT": "1"}, 35, "Check the PG* settings"),
        (RUN, {"PGPORT": "postgres"}, 35, "PGPORT (environment): "),
        ("yesterday", {}, 40, "run id 'yesterday' is not a minute"),
    ],
)
def test_what_cannot_begin_says_so_in_a_line(
    pipeline: Pipeline, run_id: str, environ: dict[str, str], code: int, words: str
) -> None:
    ended = pipeline.collect(run_id, **environ)
    assert ended.returncode == code
    assert words in ended.stderr
    assert len(ended.stderr.splitlines()) <= 2
    assert pipeline.twin.requests == []
    assert pipeline.count("ops.runs") == 0
