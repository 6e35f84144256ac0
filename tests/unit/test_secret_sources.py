"""Secrets from files, AWS Secrets Manager and Vault: who overrules whom, what is said when one is missing, no leak."""

from __future__ import annotations

import http.server
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import boto3
import pytest
from click.testing import CliRunner
from moto import mock_aws

from luigi_tasks import secret_sources, settings
from luigi_tasks.domain.errors import SettingsError
from luigi_tasks.settings import Settings
from luigi_tasks.verbs.config import config
from tests.loopback import QuietHandler, running

CANARY = "canary-51cd"
Load = Callable[[], Settings]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Reads the settings anew, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return settings.load.__wrapped__


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Stores the text of a secret in a stand-in of AWS Secrets Manager."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():

        def store(text: str) -> None:
            boto3.client("secretsmanager").create_secret(Name="draenei/prod", SecretString=text)
            monkeypatch.setenv("DRAENEI_SECRETS_AWS", "draenei/prod")

        yield store


class Vault(QuietHandler):
    """Vault's HTTP API for one version 2 key-value secret."""

    token = "s.right"
    secrets: ClassVar = {"/v1/secret/data/draenei": {"data": {"data": {"WALLHAVEN_API_KEY": CANARY}, "metadata": {}}}}
    seen: list[dict[str, str]]

    def do_GET(self) -> None:
        self.seen.append(dict(self.headers))
        allowed = self.headers["X-Vault-Token"] == self.token
        body = self.secrets.get(self.path) if allowed else {"errors": ["permission denied"]}
        self.send_response(403 if not allowed else 200 if body else 404)
        self.end_headers()
        self.wfile.write(json.dumps(body or {"errors": []}).encode())


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Vault]]:
    """A Vault on loopback that the environment points to."""
    handler = type("OneVault", (Vault,), {"seen": []})
    with running(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)) as server:
        monkeypatch.setenv("VAULT_ADDR", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("VAULT_TOKEN", Vault.token)
        monkeypatch.setenv("DRAENEI_SECRETS_VAULT", "secret/data/draenei")
        yield handler


def test_secret_files_as_docker_mounts_them(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wallhaven_api_key").write_text(f"{CANARY}\n")
    (tmp_path / "PGPASSWORD").write_text("from the file")
    monkeypatch.setenv("DRAENEI_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("PGPASSWORD", "from the environment")
    own = load()
    assert own.wallhaven_api_key
    assert own.pgpassword
    assert own.wallhaven_api_key.get_secret_value() == CANARY
    assert own.pgpassword.get_secret_value() == "from the environment"
    assert settings.origins() == {"wallhaven_api_key": "secret file", "pgpassword": "environment"}


def test_what_is_mounted_is_found_by_itself(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Path("/run/secrets") == secret_sources.MOUNTED, "where Docker and Compose mount secrets"
    monkeypatch.setattr(secret_sources, "MOUNTED", tmp_path / "run" / "secrets")
    assert load().wallhaven_api_key is None
    secret_sources.MOUNTED.mkdir(parents=True)
    (secret_sources.MOUNTED / "wallhaven_api_key").write_text(f"{CANARY}\n")
    key = load().wallhaven_api_key
    assert key is not None
    assert key.get_secret_value() == CANARY
    assert settings.origins() == {"wallhaven_api_key": "secret file"}


def test_dotenv_may_say_where_the_secrets_are(
    load: Load, vault: type[Vault], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it, the address and the token too; the environment stands above it."""
    said = {"DRAENEI_SECRETS_VAULT": "secret/data/draenei", "VAULT_TOKEN": Vault.token, "VAULT_NAMESPACE": "team"}
    said["VAULT_ADDR"] = os.environ["VAULT_ADDR"]
    for name in said:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in said.items()))
    key = load().wallhaven_api_key
    assert key is not None
    assert key.get_secret_value() == CANARY
    assert [(seen["X-Vault-Token"], seen["X-Vault-Namespace"]) for seen in vault.seen] == [(Vault.token, "team")]
    monkeypatch.setenv("VAULT_TOKEN", "s.wrong")
    secret_sources._vault.cache_clear()
    with pytest.raises(SettingsError, match="Vault does not give the secret"):
        load()
    (tmp_path / ".env").write_text("DRAENEI_SECRETS_DIR=nowhere\n")
    with pytest.raises(SettingsError, match="DRAENEI_SECRETS_DIR is no folder"):
        load()


def test_aws_over_luigi_cfg_and_below_dotenv(load: Load, aws: Callable[[str], None]) -> None:
    Path("luigi.cfg").write_text("[draenei]\nwallhaven_query = cfg\ndetails_per_run = 7\npguser = cfg\n")
    Path(".env").write_text("WALLHAVEN_QUERY=dotenv\n")
    aws(json.dumps({"WALLHAVEN_QUERY": "aws", "DETAILS_PER_RUN": 9, "SOMETHING_ELSE": "x", "bucket_name": ""}))
    own = load()
    assert (own.wallhaven_query, own.details_per_run, own.pguser, own.bucket_name) == ("dotenv", 9, "cfg", None)
    assert settings.origins()["details_per_run"] == "aws secret"


def test_vault_gives_a_key_and_hears_the_token(load: Load, vault: type[Vault], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_NAMESPACE", "team")
    own = load()
    assert own.wallhaven_api_key
    assert own.wallhaven_api_key.get_secret_value() == CANARY
    assert settings.origins() == {"wallhaven_api_key": "vault"}
    assert [(seen["X-Vault-Token"], seen["X-Vault-Namespace"]) for seen in vault.seen] == [(Vault.token, "team")]


def test_the_token_may_stand_in_a_file(load: Load, vault: type[Vault], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VAULT_TOKEN")
    Path("token").write_text(f"{Vault.token}\n")
    monkeypatch.setenv("VAULT_TOKEN_FILE", "token")
    assert load().wallhaven_api_key
    assert vault.seen[0]["X-Vault-Token"] == Vault.token


def test_the_origin_is_named_and_the_value_is_not(load: Load, vault: type[Vault]) -> None:
    shown = CliRunner().invoke(config, ["--show-origin"])
    assert shown.exit_code == 0
    assert "vault" in next(line for line in shown.output.splitlines() if "WALLHAVEN_API_KEY" in line)
    assert CANARY not in shown.output


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"VAULT_TOKEN": "s.wrong"}, "403"),
        ({"DRAENEI_SECRETS_VAULT": "secret/data/absent"}, "404"),
        ({"VAULT_ADDR": "http://127.0.0.1:1"}, "Vault does not give the secret"),
        ({"VAULT_TOKEN": "", "VAULT_TOKEN_FILE": "absent"}, "Set VAULT_TOKEN"),
        ({"DRAENEI_SECRETS_DIR": "absent"}, "DRAENEI_SECRETS_DIR is no folder"),
    ],
)
def test_a_source_that_was_named_and_cannot_be_read_is_an_error(
    load: Load, vault: type[Vault], monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], words: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        load()
    assert words in str(refused.value)
    assert "s.wrong" not in str(refused.value)


def test_a_version_1_path_is_told_apart(load: Load, vault: type[Vault], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault, "secrets", {"/v1/secret/draenei": {"data": {"WALLHAVEN_API_KEY": CANARY}}})
    monkeypatch.setenv("DRAENEI_SECRETS_VAULT", "secret/draenei")
    with pytest.raises(SettingsError, match="version 2") as refused:
        load()
    assert CANARY not in str(refused.value)


def test_an_aws_secret_that_is_absent_or_no_object(
    load: Load, aws: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAENEI_SECRETS_AWS", "nobody/knows")
    with pytest.raises(SettingsError, match="ResourceNotFoundException"):
        load()
    aws("just-words")
    with pytest.raises(SettingsError, match="not a JSON object"):
        load()
