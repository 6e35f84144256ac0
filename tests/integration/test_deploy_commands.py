"""The services of docker-compose.yml without containers: each one's own command as a process, with its health check.

Commands are read from the Compose file; only addresses, ports and folders are replaced by ones of the test. What
cannot run here is SeaweedFS itself: of it, the script that writes its configuration is run.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer

from luigi_tasks.gateways import embedded_postgres
from luigi_tasks.gateways.embedded_postgres_programs import program
from tests.gcs_double import gcs_double

ROOT = Path(__file__).parents[2]
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
BARE = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts processes and ends those that a test leaves behind."""
    children: list[subprocess.Popen[str]] = []

    def begin(command: list[str], environment: Mapping[str, str] = BARE, cwd: Path = ROOT) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            command, cwd=cwd, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        children.append(child)
        return child

    yield begin
    for child in children:
        if child.poll() is None:
            child.kill()
        child.communicate(timeout=30)


def run(command: list[str], environment: Mapping[str, str] = BARE) -> subprocess.CompletedProcess[str]:
    """A command to its end, from the repository's root."""
    return subprocess.run(
        command, cwd=ROOT, env=dict(environment), capture_output=True, text=True, timeout=60, check=False
    )


def until(condition: Callable[[], bool], seconds: float = 20) -> bool:
    """True as soon as the condition holds; its last word when it never does."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def words(service: str, key: str, replaced: Mapping[str, str] | None = None) -> list[str]:
    """A service's `command` or `healthcheck` as a list: `python` is ours, and parts of words are replaced."""
    given = SERVICES[service]
    command = given["healthcheck"]["test"][1:] if key == "healthcheck" else given[key]
    result = [sys.executable if word == "python" else word for word in command]
    for old, new in (replaced or {}).items():
        result = [word.replace(old, new) for word in result]
    return result


def free_port() -> str:
    """A port on loopback that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


def recorder(folder: Path, body: str = "") -> dict[str, str]:
    """An environment where `luigi` writes its arguments to folder/calls; body runs after that."""
    folder.mkdir(exist_ok=True)
    script = folder / "luigi"
    script.write_text(f'#!/bin/sh\necho "$*" >> {folder}/calls\n{body}\n')
    script.chmod(0o755)
    return {**BARE, "PATH": f"{folder}:{BARE['PATH']}"}


def calls(folder: Path) -> list[str]:
    """What the recorder has written so far."""
    path = folder / "calls"
    return path.read_text().splitlines() if path.exists() else []


def schedule(tmp_path: Path, *options: str) -> list[str]:
    """The loop around the recorder, with its heartbeat in the test's folder."""
    script = [sys.executable, "deploy/schedule.py", "--heartbeat", str(tmp_path / "heartbeat"), *options]
    return [*script, "--", str(tmp_path / "luigi"), "Collect"]


def test_luigid_starts_answers_its_health_check_and_ends_on_sigterm(start: Start, tmp_path: Path) -> None:
    port = free_port()
    replaced = {"0.0.0.0": "127.0.0.1", "8082": port, "/scheduler": str(tmp_path)}
    check = words("luigid", "healthcheck", replaced)
    assert run(check).returncode != 0
    command = words("luigid", "command", replaced)
    command[0] = str(Path(sys.executable).with_name("luigid"))
    child = start(command)
    assert until(lambda: run(check).returncode == 0)
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=20)
    assert (tmp_path / "state.pickle").exists()
    assert run(check).returncode != 0


def test_the_pipelines_command_runs_collect_at_once_and_then_waits_for_the_next_mark(
    start: Start, tmp_path: Path
) -> None:
    command = words("pipeline", "command", {"${SCHEDULE_MINUTES:-30}": "30"})
    child = start(command, {**recorder(tmp_path), "TMPDIR": str(tmp_path)})
    assert child.stdout is not None
    assert "run ended with 0" in child.stdout.readline()
    assert re.search(r"next run at \d{4}-\d\d-\d\dT\d\d:[03]0:00Z", child.stdout.readline())
    check = words("pipeline", "healthcheck")
    assert run(check, {**BARE, "TMPDIR": str(tmp_path)}).returncode == 0
    child.send_signal(signal.SIGTERM)
    output, _ = child.communicate(timeout=20)
    assert (child.returncode, "stopped by SIGTERM" in output) == (0, True)
    assert set(calls(tmp_path)) == {"--module luigi_tasks Collect --scheduler-host luigid"}


def test_a_loop_that_is_gone_or_stuck_is_unhealthy(tmp_path: Path) -> None:
    heartbeat = tmp_path / "schedule.heartbeat"
    environment = {**BARE, "TMPDIR": str(tmp_path)}
    assert run(words("pipeline", "healthcheck"), environment).returncode == 1
    heartbeat.touch()
    assert run(words("pipeline", "healthcheck"), environment).returncode == 0
    os.utime(heartbeat, (time.time() - 61, time.time() - 61))
    assert run(words("pipeline", "healthcheck"), environment).returncode == 1


def test_the_loop_goes_on_after_a_failure(start: Start, tmp_path: Path) -> None:
    child = start(schedule(tmp_path, "--every-minutes", "0.01"), recorder(tmp_path, "exit 30"))
    assert until(lambda: len(calls(tmp_path)) >= 3)
    child.send_signal(signal.SIGTERM)
    output, _ = child.communicate(timeout=20)
    assert child.returncode == 0
    assert output.count("run ended with 30") >= 2


@pytest.mark.parametrize(
    ("now", "interval", "mark"), [(0.0, 1800, 1800), (1799.9, 1800, 1800), (1800.0, 1800, 3600), (5.0, 0.6, 5.4)]
)
def test_marks_are_multiples_of_the_interval_and_never_now(now: float, interval: float, mark: float) -> None:
    found: float = runpy.run_path(str(ROOT / "deploy" / "schedule.py"))["next_mark"](now, interval)
    assert found == pytest.approx(mark)


def test_runs_never_overlap_and_missed_marks_are_skipped(start: Start, tmp_path: Path) -> None:
    body = f"mkdir {tmp_path}/inside || echo overlap >> {tmp_path}/calls; sleep 0.5; rmdir {tmp_path}/inside"
    child = start(schedule(tmp_path, "--every-minutes", "0.001", "--now"), recorder(tmp_path, body))
    assert until(lambda: len(calls(tmp_path)) >= 3)
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=20)
    assert set(calls(tmp_path)) == {"Collect"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_reaches_the_command_and_waits_for_it(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    body = f"trap 'echo told >> {tmp_path}/calls; exit 0' TERM; touch {tmp_path}/ready; "
    body += "for _ in $(seq 400); do sleep 0.05; done"
    child = start(schedule(tmp_path, "--now"), recorder(tmp_path, body))
    assert until((tmp_path / "ready").exists)
    child.send_signal(number)
    child.communicate(timeout=20)
    assert (child.returncode, calls(tmp_path)) == (0, ["Collect", "told"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--every-minutes", "0", "--", "luigi"], "SCHEDULE_MINUTES"),
        (["--every-minutes", "soon", "--", "luigi"], "soon"),
        (["--now"], "no command"),
        (["--", "no-such-program"], "no-such-program is not on PATH"),
    ],
)
def test_a_wrong_schedule_is_refused_with_words(arguments: list[str], said: str) -> None:
    ended = run([sys.executable, "deploy/schedule.py", *arguments])
    assert (ended.returncode, said in ended.stderr) == (2, True), ended.stderr


@pytest.fixture
def s3() -> Iterator[str]:
    """An S3 API's address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def bucket_environment(endpoint: str, bucket: str) -> dict[str, str]:
    """The environment that Compose gives to create-bucket, with the test's address and one attempt."""
    given: dict[str, str] = {**SERVICES["create-bucket"]["environment"]}
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "canary-secret"}
    return {**BARE, **given, **keys, "BUCKET_NAME": bucket, "S3_ENDPOINT_URL": endpoint, "AWS_MAX_ATTEMPTS": "1"}


def test_create_bucket_creates_once_and_then_finds_it(s3: str) -> None:
    name = f"bucket-{os.getpid()}-{time.time_ns()}"
    command = words("create-bucket", "command")
    first = run(command, bucket_environment(s3, name))
    assert (first.returncode, first.stderr) == (0, f"create_bucket: bucket {name} created\n")
    client = boto3.client(
        "s3", endpoint_url=s3, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="x"
    )
    client.put_object(Bucket=name, Key="kept", Body=b"1")
    second = run(command, bucket_environment(s3, name))
    assert (second.returncode, second.stderr) == (0, f"create_bucket: bucket {name} is there\n")
    assert client.list_objects_v2(Bucket=name)["KeyCount"] == 1
    client.close()


def test_create_bucket_says_what_where_and_what_to_check() -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    ended = run(words("create-bucket", "command"), bucket_environment(endpoint, "wallpapers"))
    assert ended.returncode == 1
    for part in ("wallpapers", endpoint, "S3_ENDPOINT_URL"):
        assert part in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert "canary-secret" not in ended.stderr
    ended = run(words("create-bucket", "command"), bucket_environment(endpoint, ""))
    assert (ended.returncode, "BUCKET_NAME" in ended.stderr) == (1, True)


def test_the_postgres_health_check_tells_a_real_server_from_none(postgres_server: embedded_postgres.Server) -> None:
    for port, code in ((str(postgres_server.port), 0), (free_port(), 2)):
        check = words("postgres", "healthcheck", {"5432": port})
        check[0] = program("pg_isready")
        assert run(check).returncode == code


def test_a_real_server_takes_the_postgres_options(warehouse: Any) -> None:
    command = words("postgres", "command")
    assert command[:2] == ["postgres", "-c"]
    name, value = command[2].split("=")
    assert warehouse.rows("select set_config(%s, %s, false)", name, value) == [(value,)]


def start_seaweedfs(tmp_path: Path, **given: str) -> subprocess.CompletedProcess[str]:
    """The entry script with Compose's arguments and a `weed` that writes its arguments and environment down."""
    weed = tmp_path / "weed"
    weed.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\nenv >&2\n')
    weed.chmod(0o755)
    environment = {**BARE, "PATH": f"{tmp_path}:{BARE['PATH']}", "SEAWEEDFS_DATA": str(tmp_path)}
    script = str(ROOT / "deploy" / "seaweedfs" / "start.sh")
    command = ["/bin/sh", script, *SERVICES["seaweedfs"]["command"]]
    return run(command, {**environment, "SEAWEEDFS_CONFIG_DIR": str(tmp_path), **given})


@pytest.mark.parametrize("secret", ["0123abcd", r"""a "quoted" \ $HOME `id` 'é' %s & | end"""])
def test_seaweedfs_gets_its_identity_in_a_private_file(tmp_path: Path, secret: str) -> None:
    ended = start_seaweedfs(tmp_path, S3_ACCESS_KEY_ID="canary-key", S3_SECRET_ACCESS_KEY=secret)
    assert ended.returncode == 0, ended.stderr
    config = tmp_path / "s3.json"
    (identity,) = json.loads(config.read_text())["identities"]
    assert identity["credentials"] == [{"accessKey": "canary-key", "secretKey": secret}]
    assert identity["actions"] == ["Admin", "Read", "Write", "List", "Tagging"]
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    arguments = ended.stdout.splitlines()
    assert arguments[:3] == ["-logtostderr=true", "server", f"-dir={tmp_path}"]
    assert f"-s3.config={config}" in arguments
    assert arguments[-len(SERVICES["seaweedfs"]["command"]) :] == SERVICES["seaweedfs"]["command"]
    assert not any(text in ended.stdout + ended.stderr for text in ("canary-key", secret))


@pytest.mark.parametrize(("secret", "said"), [("", "S3_SECRET_ACCESS_KEY is empty"), ("a\nb", "control character")])
def test_seaweedfs_does_not_start_without_a_usable_secret(tmp_path: Path, secret: str, said: str) -> None:
    ended = start_seaweedfs(tmp_path, S3_ACCESS_KEY_ID="key", S3_SECRET_ACCESS_KEY=secret)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert said in ended.stderr
    assert not (tmp_path / "s3.json").exists()


def test_seaweedfs_says_how_to_mend_a_volume_it_cannot_write(tmp_path: Path) -> None:
    ended = start_seaweedfs(tmp_path, SEAWEEDFS_DATA=str(tmp_path / "none"))
    assert ended.returncode == 1
    assert "docker compose run" in ended.stderr


def test_create_bucket_knows_googles_too() -> None:
    command = words("create-bucket", "command")
    with gcs_double() as google:
        environment = {
            **BARE,
            "PYTHONPATH": str(ROOT),
            "BUCKET_NAME": "gs://draenei-new",
            "STORAGE_EMULATOR_HOST": google.endpoint,
        }
        unnamed = run(command, environment)
        assert (unnamed.returncode, "GOOGLE_CLOUD_PROJECT" in unnamed.stderr, google.made) == (1, True, {})
        environment["GOOGLE_CLOUD_PROJECT"] = "draenei"
        first, second = run(command, environment), run(command, environment)
        assert (first.returncode, first.stderr) == (0, "create_bucket: bucket gs://draenei-new created\n")
        assert (second.returncode, second.stderr) == (0, "create_bucket: bucket gs://draenei-new is there\n")
        project, about = google.made["draenei-new"]
        assert project == "draenei"
        assert about["iamConfiguration"]["publicAccessPrevention"] == "enforced"
        assert about["iamConfiguration"]["uniformBucketLevelAccess"] == {"enabled": True}
