"""Stand-ins of further sources, beside Wallhaven's in the same process: each answers below /{name}/."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Protocol

from twin.messages import Request, Response, error_answer


class Site(Protocol):
    """A stand-in. NAME: the source's; it becomes the first part of every path, and the setting {NAME}_API_URL."""

    NAME: str

    def answer(self, request: Request) -> Response:
        """The answer to a request, whose path is that below the site's address."""


def site_of(path: str, names: Iterable[str]) -> str | None:
    """Which site a path belongs to."""
    first = path.split("/", 2)[1] if path.startswith("/") else ""
    return first if first in set(names) else None


def answer(sites: Mapping[str, Site], request: Request) -> Response:
    """The answer of the site that the path names; 404 when there is none."""
    name = site_of(request.path, sites)
    if name is None:
        return error_answer(404, "no such site")
    return sites[name].answer(replace(request, path=request.path.removeprefix(f"/{name}") or "/"))


def demo_sites(visits: int = 0) -> list[Site]:
    """Every site there is, as the demo has them after so many visits: a module with `demo_site(visits)` is one."""
    return [module.demo_site(visits) for module in _site_modules()]


def demo_settings(addresses: Mapping[str, str], file_host: str) -> dict[str, str]:
    """The settings that lead to the sites: {NAME}_API_URL, and what a module's `demo_settings(address, host)` adds.

    addresses: that of each site by its name. file_host: host[:port], for a source that takes files from another host.
    """
    settings = {f"{name.upper()}_API_URL": address for name, address in addresses.items()}
    for module in _site_modules():
        if further := getattr(module, "demo_settings", None):
            settings |= further(addresses[module.__name__.rpartition(".")[2]], file_host)
    return settings


def _site_modules() -> list[ModuleType]:
    names = [found.name for found in pkgutil.iter_modules([str(Path(__file__).parent)])]
    modules = [importlib.import_module(f"twin.{name}") for name in names if name not in ("__main__", "sites")]
    return [module for module in modules if hasattr(module, "demo_site")]
