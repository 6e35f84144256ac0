"""The settings of each source: its address, its rate, its query; one class a source, joined by `settings.Settings`.

`steps/access.py` finds them by name, so a new source needs no more than a class here:

    {SOURCE}_API_URL           where it is; also a local twin's address
    {SOURCE}_RATE_PER_MINUTE   requests in any 60 s, over all processes
    {SOURCE}_API_KEY           optional: what goes into the source's CREDENTIAL_HEADER
    {SOURCE}_QUERY             optional: the query when --query is not given
    {SOURCE}_…                 anything else is a filter, handed to the source's query() under its short name
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings


def _checked_address(value: str) -> str:
    if not value.startswith(("https://", "http://")):
        raise ValueError("must start with https:// or http://")
    if "@" in value:
        raise ValueError("must not hold a user or password: it is kept with every run")
    return value.rstrip("/")


ApiUrl = Annotated[str, AfterValidator(_checked_address)]


class JsonplaceholderSettings(BaseSettings):
    """A public API of invented posts, users, photos …"""

    jsonplaceholder_api_url: ApiUrl = Field(
        "https://jsonplaceholder.typicode.com", description="the API, or a local twin's address"
    )
    jsonplaceholder_rate_per_minute: int = Field(60, ge=1, description="API calls in any 60 s, over all processes")


class SalesSettings(BaseSettings):
    """Files of sales."""

    sales_file: str | None = Field(None, description="path, http(s):// or s3:// address when --file is not given")
    sales_max_bytes: int = Field(64 << 20, ge=1, description="a larger file of sales is refused")
    sales_rate_per_minute: int = Field(60, ge=1, description="files asked for in any 60 s, over all processes")


class SourceSettings(JsonplaceholderSettings, SalesSettings):
    """The settings of every source but Wallhaven, whose stand in `settings.Settings`."""
