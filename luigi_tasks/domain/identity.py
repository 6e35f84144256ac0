"""Who we are towards the outside: the version of this code and the User-Agent that every request carries."""

from __future__ import annotations

from importlib import metadata

PROJECT = "draenei-collector"
HOMEPAGE = f"https://github.com/{PROJECT}/{PROJECT}"


def _installed_version() -> str:
    try:
        return metadata.version(PROJECT)
    except metadata.PackageNotFoundError:
        return "0+not-installed"


CODE_VERSION = _installed_version()
USER_AGENT = f"{PROJECT}/{CODE_VERSION} (+{HOMEPAGE})"
