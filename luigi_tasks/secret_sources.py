"""Where secrets may stand besides the environment: files, AWS Secrets Manager, Vault.

Each is asked only when its variable says where to look, once for a process, and may hold any setting under its name.
The variables stand in the environment or in .env, as the settings do:

DRAENEI_SECRETS_DIR    a folder of files, one a setting, as Docker and Kubernetes mount them; /run/secrets when unset
DRAENEI_SECRETS_AWS    id of a secret in AWS Secrets Manager that is a JSON object; boto3's own chain gives the access
DRAENEI_SECRETS_VAULT  path of a version 2 key-value secret, such as secret/data/draenei; with VAULT_ADDR and
                       VAULT_TOKEN (or VAULT_TOKEN_FILE), VAULT_NAMESPACE as Vault's own tools have them
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic_settings import (
    AWSSecretsManagerSettingsSource,
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
)

from luigi_tasks.domain.errors import SettingsError

MOUNTED = Path("/run/secrets")
DOTENV = ".env"
VAULT_SECONDS = 10


def configured(settings_cls: type[BaseSettings]) -> dict[str, PydanticBaseSettingsSource]:
    """The sources of secrets that the environment names, by the name `config --show-origin` gives them.

    Raises SettingsError when one is named and cannot be read: a secret that is missing in silence is found much later.
    """
    found: dict[str, PydanticBaseSettingsSource] = {}
    if folder := _folder():
        found["secret file"] = SecretsSettingsSource(settings_cls, secrets_dir=folder)
    if secret := named("DRAENEI_SECRETS_AWS"):
        found["aws secret"] = Given(settings_cls, _aws(settings_cls, secret))
    if path := named("DRAENEI_SECRETS_VAULT"):
        found["vault"] = Given(settings_cls, _vault(path))
    return found


class Given(PydanticBaseSettingsSource):
    """Values that were fetched already, by a setting's name in either case; an empty one is none."""

    def __init__(self, settings_cls: type[BaseSettings], values: dict[str, Any]) -> None:
        super().__init__(settings_cls)
        self._values = {name.lower(): value for name, value in values.items() if value not in ("", None)}

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return self._values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return {name: value for name, value in self._values.items() if name in self.settings_cls.model_fields}


def named(variable: str) -> str | None:
    """What the environment says, else .env; None when neither does, or says nothing."""
    return os.environ.get(variable) or dotenv_values(DOTENV).get(variable)


def _folder() -> Path | None:
    folder = named("DRAENEI_SECRETS_DIR")
    if not folder:
        return MOUNTED if MOUNTED.is_dir() else None
    if not Path(folder).is_dir():
        raise SettingsError("DRAENEI_SECRETS_DIR is no folder", where=folder, mend="Mount the secrets, or unset it.")
    return Path(folder)


@functools.cache
def _aws(settings_cls: type[BaseSettings], secret: str) -> dict[str, Any]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return AWSSecretsManagerSettingsSource(settings_cls, secret, case_sensitive=False)()
    except (BotoCoreError, ClientError) as problem:
        raise SettingsError(
            f"AWS Secrets Manager does not give the secret: {problem}",
            where=f"DRAENEI_SECRETS_AWS={secret}",
            mend=f"Try: aws secretsmanager get-secret-value --secret-id {secret}",
        ) from None
    except (ValueError, KeyError, AttributeError):
        raise SettingsError(
            "the secret is not a JSON object of settings",
            where=f"DRAENEI_SECRETS_AWS={secret}",
            mend='Store it as {"WALLHAVEN_API_KEY": "…", "PGPASSWORD": "…"}.',
        ) from None


@functools.cache
def _vault(path: str) -> dict[str, Any]:
    import requests

    address = (named("VAULT_ADDR") or "https://127.0.0.1:8200").rstrip("/")
    url = f"{address}/v1/{path.strip('/')}"
    headers = {"X-Vault-Token": _vault_token(), "X-Vault-Request": "true"}
    if namespace := named("VAULT_NAMESPACE"):
        headers["X-Vault-Namespace"] = namespace
    try:
        answer = requests.get(url, headers=headers, timeout=VAULT_SECONDS, allow_redirects=False)
        answer.raise_for_status()
        values = answer.json()["data"]["data"]
    except requests.RequestException as problem:
        raise SettingsError(
            f"Vault does not give the secret: {problem}", where=url, mend=f"Try: vault read {path}"
        ) from None
    except (KeyError, TypeError):
        values = None
    if not isinstance(values, dict):
        raise SettingsError(
            "Vault's answer is no version 2 key-value secret",
            where=url,
            mend="The path of a version 2 secret has data in it: secret/data/draenei.",
        )
    return values


def _vault_token() -> str:
    if token := named("VAULT_TOKEN"):
        return token
    file = Path(named("VAULT_TOKEN_FILE") or "~/.vault-token").expanduser()
    try:
        return file.read_text().strip()
    except OSError as problem:
        raise SettingsError(
            f"DRAENEI_SECRETS_VAULT is set and there is no token for Vault: {problem.strerror}",
            where=str(file),
            mend="Set VAULT_TOKEN, or VAULT_TOKEN_FILE to a file that holds it.",
        ) from None
