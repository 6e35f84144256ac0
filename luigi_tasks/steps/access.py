"""How a source is reached on this machine: what the settings say of it, found by the source's name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from luigi_tasks.domain.run import Query
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.sources.contract import Filed

if TYPE_CHECKING:
    from pydantic import SecretStr

    from luigi_tasks.gateways.file_api import FileApi
    from luigi_tasks.gateways.source_api import SourceApi
    from luigi_tasks.settings import Settings

NO_FILTERS = ("api_url", "api_key", "rate_per_minute", "query")


@dataclass(frozen=True)
class Access:
    """address: what a request's path is relative to. headers: with the credential, so they are shown nowhere.

    max_bytes: a larger answer is refused.
    """

    address: str
    per_minute: int
    max_bytes: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def access(settings: Settings, query: Query) -> Access:
    """What {SOURCE}_API_URL, {SOURCE}_RATE_PER_MINUTE, {SOURCE}_MAX_BYTES and {SOURCE}_API_KEY say."""
    source = CATALOGUE[query.source]
    key: SecretStr | None = getattr(settings, f"{source.NAME}_api_key", None)
    headers = {source.CREDENTIAL_HEADER: key.get_secret_value()} if key and source.CREDENTIAL_HEADER else {}
    max_bytes: int = getattr(settings, f"{source.NAME}_max_bytes", settings.source_page_max_bytes)
    return Access(address(settings, query), per_minute(settings, source.NAME), max_bytes, headers)


def open_api(settings: Settings, query: Query) -> SourceApi | FileApi:
    """What a query's source is asked through; the caller closes it."""
    # Here, because `luigi --help` asks this module for addresses and is to load no driver.
    from luigi_tasks.gateways.file_api import FileApi
    from luigi_tasks.gateways.source_api import SourceApi

    source, way = CATALOGUE[query.source], access(settings, query)
    if isinstance(source, Filed) and not way.address.startswith(("http://", "https://")):
        return FileApi(settings, way.address, way.max_bytes)
    headers = {"Accept": "*/*"} if isinstance(source, Filed) else way.headers
    key_setting = f"{source.NAME.upper()}_API_KEY"
    return SourceApi(way.address, headers, settings.http_timeout_seconds, way.max_bytes, key_setting=key_setting)


def per_minute(settings: Settings, source: str) -> int:
    """{SOURCE}_RATE_PER_MINUTE."""
    found: int = getattr(settings, f"{source}_rate_per_minute")
    return found


def address(settings: Settings, query: Query) -> str:
    """{SOURCE}_API_URL; of a source that is a file, where that is."""
    source = CATALOGUE[query.source]
    found: str = source.address(query) if isinstance(source, Filed) else getattr(settings, f"{source.NAME}_api_url")
    return found


def query(settings: Settings, source: str, text: str = "") -> Query:
    """The query of a text, of {SOURCE}_QUERY when it is empty. Raises SettingsError for a bad filter."""
    return CATALOGUE[source].query(text or getattr(settings, f"{source}_query", ""), _filters(settings, source))


def _filters(settings: Settings, source: str) -> Mapping[str, str | None]:
    if source == "wallhaven":  # the API has names of its own for some
        return settings.filters()
    names = [name for name in type(settings).model_fields if name.startswith(f"{source}_")]
    short = {name: name.removeprefix(f"{source}_") for name in names}
    return {
        short[name]: None if getattr(settings, name) is None else str(getattr(settings, name))
        for name in names
        if short[name] not in NO_FILTERS
    }
