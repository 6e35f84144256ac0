"""Stand-ins of further sources, beside Wallhaven's in the same process: each answers below /{name}/."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
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
    """Every site there is, as the demo has them after so many visits."""
    from twin.jsonplaceholder import Jsonplaceholder
    from twin.kaggle import Kaggle
    from twin.randomuser import Randomuser
    from twin.sales import Sales

    return [Jsonplaceholder(), Kaggle(), Randomuser(), Sales(visits)]
