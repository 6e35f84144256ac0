"""Settings: who overrules whom, where a value came from, and that no secret shows anywhere."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from luigi_tasks import settings
from luigi_tasks.domain.errors import SettingsError
from luigi_tasks.settings import SECRETS, Settings

CANARY = "canary-7f3a"
Load = Callable[[], Settings]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Reads the settings anew, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return settings.load.__wrapped__


def test_environment_over_dotenv_over_luigi_cfg_over_default(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load().wallhaven_query == "draenei"
    assert settings.origins() == {}
    Path("luigi.cfg").write_text("[draenei]\nwallhaven_query = from the file\ndetails_per_run = 7\n")
    assert (load().wallhaven_query, settings.origins()["wallhaven_query"]) == ("from the file", "luigi.cfg")
    Path(".env").write_text("WALLHAVEN_QUERY=from dotenv\n")
    assert (load().wallhaven_query, settings.origins()["wallhaven_query"]) == ("from dotenv", ".env")
    monkeypatch.setenv("WALLHAVEN_QUERY", "from the environment")
    assert (load().wallhaven_query, settings.origins()["wallhaven_query"]) == ("from the environment", "environment")
    assert (load().details_per_run, settings.origins()["details_per_run"]) == (7, "luigi.cfg")


def test_the_luigi_cfg_that_luigi_was_told_to_read_is_the_one(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("luigi.cfg").write_text("[draenei]\nwallhaven_query = here\n")
    Path("other.cfg").write_text("[draenei]\nwallhaven_query = there\n")
    monkeypatch.setenv("LUIGI_CONFIG_PATH", "other.cfg")
    assert load().wallhaven_query == "there"


def test_an_empty_value_is_no_value(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("BUCKET_NAME=\nPGHOST=\n")
    monkeypatch.setenv("WALLHAVEN_API_KEY", "")
    found = load()
    assert (found.bucket_name, found.embedded, found.wallhaven_api_key) == (None, True, None)


def test_a_bad_value_is_named_with_its_origin(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WALLHAVEN_RATE_PER_MINUTE", "lots")
    Path(".env").write_text("IMAGE_MISMATCH=shrug\n")
    with pytest.raises(SettingsError) as refused:
        load()
    assert "WALLHAVEN_RATE_PER_MINUTE (environment): " in str(refused.value)
    assert "IMAGE_MISMATCH (.env): Value error, must be one of flag, refuse" in str(refused.value)
    assert "config --show-origin" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WALLHAVEN_API_KEY", f"{CANARY} and more"),
        ("WALLHAVEN_API_KEY", f"{CANARY}\nX-Other: 1"),
        ("WALLHAVEN_API_KEY", f"{CANARY}é"),
        ("WALLHAVEN_API_URL", f"https://me:{CANARY}@wallhaven.cc/api/v1"),
        ("WALLHAVEN_API_URL", f"ftp://{CANARY}"),
        ("PGPORT", CANARY),
    ],
)
def test_the_error_never_shows_the_value(load: Load, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name) as refused:
        load()
    assert CANARY not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


def test_a_key_loses_the_line_break_that_a_file_left_on_it(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WALLHAVEN_API_KEY", f" {CANARY}\n")
    key = load().wallhaven_api_key
    assert key is not None
    assert key.get_secret_value() == CANARY


def test_secrets_are_masked_in_every_rendering(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRETS - {"aws_access_key_id"}:  # which names an account and opens nothing: masked by `config` alone
        monkeypatch.setenv(name.upper(), CANARY)
    found = load()
    assert {"aws_secret_access_key", "aws_session_token", "pgpassword", "wallhaven_api_key"} <= SECRETS
    for text in (repr(found), str(found), found.model_dump_json(), str(found.model_dump())):
        assert CANARY not in text


def test_the_config_verb_masks_secrets_and_shows_origins(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("WALLHAVEN_PURITY=110\n")
    environ = {name.upper(): CANARY for name in SECRETS}
    shown = subprocess.run(
        [sys.executable, "-m", "luigi_tasks", "config", "--show-origin"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    assert CANARY not in shown.stdout + shown.stderr
    lines = [line.split(None, 1) for line in shown.stdout.splitlines()]
    assert ["environment", "WALLHAVEN_API_KEY=********"] in lines
    assert [".env", "WALLHAVEN_PURITY=110"] in lines
    assert ["default", "WALLHAVEN_RATE_PER_MINUTE=45"] in lines
    assert len(lines) == len(Settings.model_fields)


def test_the_digest_says_which_settings_a_run_had_and_ignores_secrets() -> None:
    plain = Settings(pgpassword=None)
    assert plain.digest() == Settings(pgpassword=CANARY, wallhaven_api_key=CANARY).digest()
    assert plain.digest() != Settings(wallhaven_purity="110").digest()


def test_settings_are_frozen() -> None:
    found = Settings()
    with pytest.raises(ValueError, match="frozen"):
        found.wallhaven_query = "other"


def test_addresses_are_tidied() -> None:
    found = Settings(wallhaven_api_url="http://127.0.0.1:8000/api/v1/", wallhaven_image_hosts="W.wallhaven.cc, a:80 ,")
    assert found.wallhaven_api_url == "http://127.0.0.1:8000/api/v1"
    assert found.wallhaven_image_hosts == ("w.wallhaven.cc", "a:80")
    assert found.draenei_home.is_absolute()


def test_the_s3_endpoint_has_two_names_and_ours_stands_above() -> None:
    assert Settings(aws_endpoint_url_s3="http://b").s3_endpoint == "http://b"
    assert Settings(aws_endpoint_url_s3="http://b", s3_endpoint_url="http://a").s3_endpoint == "http://a"


def test_every_setting_says_what_it_means() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
