"""docker-compose.yml, Dockerfile and .env.example, read as data: pinned, loopback only, no secret, no root.

Two tools of others judge the Compose file as a whole: the Compose specification's JSON schema (from check-jsonschema)
and podman-compose's parser. No container engine is needed for either.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from luigi_tasks.settings import Settings
from luigi_tasks.sources import CATALOGUE

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, Any] = COMPOSE["services"]
WATCHERS = {"prometheus", "grafana"}
OTHER_SOURCES = CATALOGUE.keys() - {"wallhaven"}
COLLECTORS = {"pipeline", "audit", *OTHER_SOURCES}
ONE_SHOTS = {"create-bucket", "create-reader"}
REQUIRED = (
    "POSTGRES_PASSWORD",
    "S3_ACCESS_KEY_ID",
    "S3_SECRET_ACCESS_KEY",
    "GRAFANA_PASSWORD",
    "READER_PASSWORD",
    "DBT_PASSWORD",
)
SECRETS = dict(zip(REQUIRED, ("p1", "k1", "s1", "g1", "r1", "d1"), strict=True))
FULL_VERSION = re.compile(r"[\w./-]+:v?\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?")
INTERPOLATED = re.compile(r"\$\{(\w+)(?::([?-])([^}]*))?\}")
DOCKERFILE = (ROOT / "Dockerfile").read_text()

every_service = pytest.mark.parametrize("service", SERVICES.values(), ids=list(SERVICES))
needs_podman_compose = pytest.mark.skipif(not find_spec("podman_compose"), reason="podman-compose is not installed")


def interpolations() -> set[tuple[str, str, str]]:
    """Every (variable, operator, default or message) of the Compose file."""
    return {(found[1], found[2] or "", found[3] or "") for found in INTERPOLATED.finditer(TEXT)}


def example() -> dict[str, tuple[str, bool]]:
    """.env.example: {name: (value, active)}; a commented line is not active."""
    lines = re.finditer(r"^(#?)([A-Z][A-Z0-9_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    return {found[2]: (found[3], not found[1]) for found in lines}


def parsed(tmp_path: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """`podman-compose config` of a copy of the file. It asks podman for its version, so something answers that."""
    podman = tmp_path / "podman"
    podman.write_text("#!/bin/sh\necho podman version 5.4.0\n")
    podman.chmod(0o755)
    (tmp_path / "docker-compose.yml").write_text(TEXT)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", **variables}
    command = [sys.executable, "-m", "podman_compose", "config"]
    return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not find_spec("check_jsonschema"), reason="check-jsonschema is not installed")
def test_the_file_follows_the_compose_specification() -> None:
    schema = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    validator = jsonschema_rs.validator_for(json.loads(schema.read_text()))
    assert [error.message for error in validator.iter_errors(COMPOSE)] == []
    assert not validator.is_valid({"services": {"x": {"image": "x:1.0", "port": ["1:1"]}}})


@needs_podman_compose
def test_a_parser_of_others_reads_it_and_fills_in_the_secrets(tmp_path: Path) -> None:
    ended = parsed(tmp_path, {**SECRETS, "SCHEDULE_MINUTES": "15", "LUIGID_PORT": "18082"})
    assert ended.returncode == 0, ended.stderr
    services = yaml.safe_load(ended.stdout)["services"]
    assert set(services) == set(SERVICES) - OTHER_SOURCES, "the other sources are asked for by their profiles"
    assert services["postgres"]["environment"]["POSTGRES_PASSWORD"] == "p1"
    assert services["pipeline"]["environment"]["PGPASSWORD"] == "p1"
    for name in ("pipeline", "create-bucket"):
        assert services[name]["environment"]["AWS_SECRET_ACCESS_KEY"] == "s1"
        assert services[name]["environment"]["BUCKET_NAME"] == "wallpapers"
    assert services["pipeline"]["command"][3] == "15"
    assert services["luigid"]["ports"] == ["127.0.0.1:18082:8082"]
    assert "$" not in json.dumps(services)


@needs_podman_compose
@pytest.mark.parametrize("missing", SECRETS)
@pytest.mark.parametrize("empty", [True, False])
def test_a_missing_secret_is_an_error_that_says_what_to_do(tmp_path: Path, missing: str, empty: bool) -> None:
    given = {name: value for name, value in SECRETS.items() if name != missing} | ({missing: ""} if empty else {})
    ended = parsed(tmp_path, given)
    assert ended.returncode != 0
    assert f"set {missing} in .env (copy .env.example)" in ended.stderr


def test_each_secret_is_required_wherever_it_is_used() -> None:
    for name in SECRETS:
        used = {(operator, text) for variable, operator, text in interpolations() if variable == name}
        assert used == {("?", f"set {name} in .env (copy .env.example)")}


@every_service
def test_no_secret_stands_in_the_file(service: dict[str, Any]) -> None:
    secret = re.compile(r"PASSWORD|SECRET|KEY|TOKEN")
    for name, value in service.get("environment", {}).items():
        if secret.search(name):
            assert re.fullmatch(r"\$\{\w+:(\?[^}]+|-)\}", value), f"{name} must come from the environment"
    assert not re.search(r"(password|secret)[=:]\s*[^$\s]", json.dumps(service.get("command", [])), re.IGNORECASE)


@every_service
def test_images_are_pinned_to_a_full_version(service: dict[str, Any]) -> None:
    assert FULL_VERSION.fullmatch(service["image"])


def test_our_own_image_carries_the_projects_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    ours = {service["image"] for service in SERVICES.values() if "build" in service}
    assert ours == {f"draenei-collector:{version}"}


@every_service
def test_ports_are_published_on_loopback_only(service: dict[str, Any]) -> None:
    for port in service.get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:(\d+|\$\{\w+:-\d+\}):\d+", port)
    assert "network_mode" not in service


@every_service
def test_no_service_is_root_or_may_become_it(service: dict[str, Any]) -> None:
    user, group = service["user"].split(":")
    assert int(user) > 0
    assert int(group) > 0
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    assert not {"privileged", "cap_add", "devices", "pid"} & set(service)


@every_service
def test_a_service_is_bounded(service: dict[str, Any]) -> None:
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}


def test_what_runs_for_long_has_a_health_check_and_comes_back() -> None:
    for name, service in SERVICES.items():
        assert ("healthcheck" in service) is (name not in ONE_SHOTS)
        assert service["restart"] == ("no" if name in ONE_SHOTS else "unless-stopped")
        if "healthcheck" in service:
            assert {"test", "interval", "timeout", "retries", "start_period"} <= set(service["healthcheck"])


def test_a_service_waits_until_what_it_needs_is_ready() -> None:
    needed = set(SERVICES) - COLLECTORS - WATCHERS - {"pages", "create-reader"}
    assert all(set(SERVICES[name]["depends_on"]) == needed for name in COLLECTORS)
    for service in SERVICES.values():
        for needed, how in service.get("depends_on", {}).items():
            ready = "service_completed_successfully" if needed in ONE_SHOTS else "service_healthy"
            assert how == {"condition": ready}
            assert set(service["networks"]) & set(SERVICES[needed]["networks"])


def test_named_volumes_are_declared_and_written_by_one_service_or_by_what_collects() -> None:
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]
    named = [mount for mount in mounts if not mount.startswith((".", "/"))]
    assert {mount.split(":")[0] for mount in named} == set(COMPOSE["volumes"])
    writers: dict[str, set[str]] = {}
    for name, service in SERVICES.items():
        for mount in service.get("volumes", []):
            if mount in named and not mount.endswith(":ro"):
                writers.setdefault(mount.split(":")[0], set()).add(name)
    assert writers.keys() == COMPOSE["volumes"].keys()
    assert {volume for volume, names in writers.items() if len(names) > 1} == {"pipeline-data", "metrics"}
    assert writers["pipeline-data"] == writers["metrics"] == COLLECTORS
    for mount in set(mounts) - set(named):
        source, _, mode = mount.split(":")
        assert (ROOT / source).exists()
        assert mode == "ro"


def test_only_the_pipeline_and_prometheus_share_a_network_with_luigid() -> None:
    assert {name for name, service in SERVICES.items() if "metrics" in service["networks"]} == {"luigid", *WATCHERS}
    assert {name for name, service in SERVICES.items() if "scheduler" in service["networks"]} == {"luigid", *COLLECTORS}
    assert {network for service in SERVICES.values() for network in service["networks"]} == set(COMPOSE["networks"])


@pytest.mark.parametrize("name", sorted({*COLLECTORS, *ONE_SHOTS}))
def test_our_services_get_settings_that_exist(name: str) -> None:
    settings = {field.upper() for field in Settings.model_fields}
    assert set(SERVICES[name]["environment"]) - settings <= {"AWS_RETRY_MODE", "AWS_MAX_ATTEMPTS", "READER_PASSWORD"}


@pytest.mark.parametrize("source", sorted(CATALOGUE))
def test_every_source_has_a_service_on_the_schedule_of_the_crontab(source: str) -> None:
    name = "pipeline" if source == "wallhaven" else source
    every, _, command = " ".join(SERVICES[name]["command"]).partition("--every-minutes ")[2].partition(" ")
    assert re.sub(r"\D", "", every) == str(CATALOGUE[source].EVERY_MINUTES)
    by_cron = re.findall(r"(luigi --module .*?) >>", (ROOT / "deploy" / "crontab").read_text())
    ours = command.partition("-- ")[2].removesuffix(" --scheduler-host luigid")
    ours = re.sub(r"\$\{RANDOMUSER_SINCE:-\S+\}", '"$RANDOMUSER_SINCE"', ours)
    assert ours in by_cron
    assert SERVICES[name].get("profiles") == (None if name == "pipeline" else [name])


def test_pages_are_served_read_only_and_links_lead_there() -> None:
    pages, settings = SERVICES["pages"], SERVICES["pipeline"]["environment"]
    assert all(mount.endswith(":ro") for mount in pages["volumes"])
    assert pages["networks"] == ["pages"], "nothing else is reached from there"
    assert pages["user"] == SERVICES["pipeline"]["user"], "the gallery's folder is its owner's alone"
    (port,) = re.findall(r"PAGES_PORT:-(\d+)", pages["ports"][0])
    for kind in ("reports", "gallery"):
        assert settings[f"{kind.upper()}_URL"].endswith(f":-http://127.0.0.1:{port}/{kind}}}")
    assert {"NOTIFY_URLS", "DEADMAN_URL", "GALLERY"} <= set(settings)


def test_grafana_is_a_reader_of_the_marts_and_knows_no_other_password() -> None:
    text = (ROOT / "deploy" / "grafana" / "provisioning" / "datasources" / "datasources.yml").read_text()
    (warehouse,) = [one for one in yaml.safe_load(text)["datasources"] if one["uid"] == "warehouse"]
    assert warehouse["user"] == "draenei_grafana"
    assert warehouse["secureJsonData"] == {"password": "$READER_PASSWORD"}
    assert "POSTGRES_PASSWORD" not in SERVICES["grafana"]["environment"]
    assert "create-reader" in SERVICES["grafana"]["depends_on"]


def test_env_example_documents_exactly_what_is_read() -> None:
    read = {variable for variable, _, _ in interpolations()}
    settings = {field.upper() for field in Settings.model_fields}
    assert read <= set(example())
    assert set(example()) <= read | settings | {"COMPOSE_PROFILES"}
    assert {name for name, (_, active) in example().items() if active} == set(SECRETS)
    assert all(example()[name][0] == "" for name in example() if re.search("PASSWORD|SECRET|KEY", name))


def test_env_example_tells_the_real_defaults() -> None:
    for variable, operator, default in interpolations():
        if operator == "-" and default:
            assert example()[variable][0] == default


def test_the_compose_part_of_env_does_not_change_a_run_without_compose() -> None:
    shared = {variable for variable, _, _ in interpolations()} & {field.upper() for field in Settings.model_fields}
    active = {name for name, (_, active) in example().items() if active}
    assert not active & shared
    assert not {"BUCKET_NAME", "AWS_ACCESS_KEY_ID", "PGPASSWORD", "PGHOST"} & shared


def test_the_image_is_built_from_pinned_parts_as_nobody() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(set(bases)) == 1
    assert FULL_VERSION.fullmatch(bases[0])
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE)[-1] == SERVICES["pipeline"]["user"]
    installs = re.findall(r"pip install (.+?)(?: \\)?$", DOCKERFILE, re.MULTILINE)
    assert len(installs) == 2
    for options in installs:
        assert "--require-hashes -r requirements.txt" in options or "--no-deps" in options
    assert not re.search(
        r"^(ARG|ADD)\b|PASSWORD|SECRET|DONTWRITEBYTECODE|\blatest\b|curl|wget", DOCKERFILE, re.MULTILINE
    )
    assert "PYTHONUNBUFFERED=1" in DOCKERFILE


def test_what_the_image_copies_is_there_and_let_through_by_dockerignore() -> None:
    rules = (ROOT / ".dockerignore").read_text().split("\n")
    assert "*" in rules
    copied = [
        line.split()[1:-1] for line in DOCKERFILE.splitlines() if line.startswith("COPY") and "--from" not in line
    ]
    for source in (source for sources in copied for source in sources):
        assert (ROOT / source).exists(), source
        assert f"!{source.removeprefix('./').split('/')[0]}" in rules, source
    assert not {"!.env", "!var", "!.git"} & set(rules)


def test_scripts_that_services_run_are_in_the_image() -> None:
    for service in SERVICES.values():
        for word in service.get("command", []) if "build" in service else []:
            if word.startswith("deploy/"):
                assert re.search(rf"^COPY .*{re.escape(word)}", DOCKERFILE, re.MULTILINE)
