"""Nothing set but the source: luigi itself starts the embedded database, and everything finds it."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest

from luigi_tasks.gateways import embedded_postgres
from tests.journey.running import RUN, Pipeline, wait_until
from tests.prove.depth import DEEP
from twin import Fault, Twin

NEXT_RUN = "2026-11-21T07:01"


@pytest.fixture
def pipeline(twin: Twin, tmp_path: Path) -> Iterator[Pipeline]:
    """A pipeline without PG*: its database is the embedded one under its home."""
    home = tmp_path / "home"

    def connect() -> psycopg2.extensions.connection:
        server = embedded_postgres.ensure_running(home)
        return psycopg2.connect(
            host=server.host, port=server.port, user=server.user, password=server.password, dbname=server.dbname
        )

    pipeline = Pipeline(twin, home, {}, connect)
    yield pipeline
    pipeline.close()
    embedded_postgres.stop(home)


def exported(text: str) -> dict[str, str]:
    """What `eval "$(python -m luigi_tasks env)"` would export."""
    return dict(re.findall(r"^export (PG\w+)=(.+)$", text, re.M))


def test_luigi_starts_the_database_and_the_verbs_and_dbt_find_it(pipeline: Pipeline) -> None:
    before = pipeline.verb("doctor")
    assert before.returncode == 1
    assert "MEND  warehouse  the embedded database is down. Start it: python -m luigi_tasks up" in before.stdout
    assert pipeline.verb("status").returncode == 1
    assert "known     nothing yet" in pipeline.verb("plan").stdout
    ended = pipeline.collect(RUN)
    assert (ended.returncode, ended.stderr) == (0, "")
    pipeline.whole()
    status = pipeline.verb("status")
    assert status.returncode == 0, status.stderr
    assert re.search(r"2026-11-21T07:00 +succeeded +12 +12 +12 +0 ", status.stdout)
    doctor = pipeline.verb("doctor")
    assert (doctor.returncode, "MEND" in doctor.stdout) == (0, False), doctor.stdout
    assert "dbt logs in as draenei_dbt and acts as draenei_transformer" in doctor.stdout
    assert "the steps act as draenei_loader" in doctor.stdout
    assert re.search(r"^known +stored 12$", pipeline.verb("plan").stdout, re.M)
    pg = exported(pipeline.verb("env").stdout)
    assert set(pg) == {"PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE"}
    target = str(pipeline.home.parent / "by-hand")
    places = ("--project-dir", "dbt_project", "--target-path", target, "--log-path", target)
    dbt = pipeline.run("dbt", "build", *places, "--select", "+wallpapers", **pg)
    built = dbt.ended()
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr
    assert re.search(r"PASS=\d\d+ WARN=0 ERROR=0", built.stdout)
    assert "warehouse  stopped" in pipeline.verb("down").stdout
    assert "warehouse  was not running" in pipeline.verb("down").stdout


@DEEP
def test_kill_9_of_everything_the_server_too(pipeline: Pipeline) -> None:
    pipeline.twin.faults.add(Fault("slow", "image", after=6, times=None, seconds=600))
    child = pipeline.start(RUN)
    wait_until(lambda: embedded_postgres.status(pipeline.home) is not None, "the server")
    wait_until(lambda: pipeline.count("ops.uploads") == 6, "six pictures")
    child.kill()
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] == "postgres" and str(pipeline.home) in " ".join(process.info["cmdline"] or ()):
            os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: embedded_postgres.status(pipeline.home) is None, "the server's end")
    pipeline.twin.faults.clear()
    ended = pipeline.collect(RUN)
    assert (ended.returncode, ended.stderr) == (0, "")
    pipeline.whole()
    assert len({request.route.id for request in pipeline.twin.image_requests()}) == 12
