"""The settings of each source: its address, its rate, its query; one class a source, joined by `settings.Settings`.

`steps/access.py` finds them by name, so a new source needs no more than a class here:

    {SOURCE}_API_URL           where it is; also a local twin's address
    {SOURCE}_RATE_PER_MINUTE   requests in any 60 s, over all processes
    {SOURCE}_API_KEY           optional: what goes into the source's CREDENTIAL_HEADER
    {SOURCE}_QUERY             optional: the query when --query is not given
    {SOURCE}_…                 anything else is a filter, handed to the source's query() under its short name
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode


def _checked_address(value: str) -> str:
    if not value.startswith(("https://", "http://")):
        raise ValueError("must start with https:// or http://")
    if "@" in value:
        raise ValueError("must not hold a user or password: it is kept with every run")
    return value.rstrip("/")


ApiUrl = Annotated[str, AfterValidator(_checked_address)]


class WallhavenSettings(BaseSettings):
    """The wallpapers, which all of this is about."""

    wallhaven_api_url: ApiUrl = Field("https://wallhaven.cc/api/v1", description="the API, or a local twin's address")
    wallhaven_api_key: SecretStr | None = Field(None, description="sent only as the X-API-Key header")
    wallhaven_image_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        ("w.wallhaven.cc",), description="host[:port], comma list; pictures come from no other host"
    )
    wallhaven_rate_per_minute: int = Field(45, ge=1, description="API calls in any 60 s, over all processes")
    wallhaven_query: str = Field("draenei", description="the search text when --query is not given")
    wallhaven_categories: str = Field("111", description="three bits: general, anime, people")
    wallhaven_purity: str = Field("100", description="three bits: sfw, sketchy, nsfw")
    wallhaven_sorting: str = Field("date_added", description="date_added relevance random views favorites toplist")
    wallhaven_order: str = Field("desc", description="desc or asc")
    wallhaven_top_range: str | None = Field(None, description="1d 3d 1w 1M 3M 6M 1y; with sorting toplist only")
    wallhaven_atleast: str | None = Field(None, description="smallest resolution, such as 1920x1080")
    wallhaven_resolutions: str | None = Field(None, description="exact resolutions, comma list")
    wallhaven_ratios: str | None = Field(None, description="ratios such as 16x9, landscape, portrait; comma list")
    wallhaven_colors: str | None = Field(None, description="one of the API's 29 colours, hex without #")
    wallhaven_ai_art_filter: str | None = Field(None, description="1 hides AI art, 0 shows it")
    wallhaven_max_pages: int = Field(10_000, ge=1, description="a crawl stops with an error past this many pages")
    wallhaven_search_pages: int = Field(
        24, ge=0, description="pages read below where a crawl may stop, to find what changed deep down"
    )
    wallhaven_sweep_pages: int = Field(
        3, ge=0, description="pages that every run reads again, in rotation, one of them to join on; 0 = none"
    )
    wallhaven_sweep_rest_hours: float = Field(
        20, ge=0, description="a rotation begins so long after the listing was last read whole"
    )

    @field_validator("wallhaven_image_hosts", mode="before")
    @classmethod
    def _comma_list(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip().lower() for part in value.split(",") if part.strip())
        return value

    @field_validator("wallhaven_api_key")
    @classmethod
    def _header_value(cls, value: SecretStr | None) -> SecretStr | None:
        key = value.get_secret_value().strip() if value else ""
        if not all("!" <= character <= "~" for character in key):
            raise ValueError("must be one word of plain characters")
        return SecretStr(key) if key else None

    @field_validator("wallhaven_sweep_pages")
    @classmethod
    def _sweep(cls, value: int) -> int:
        if value == 1:
            raise ValueError("must be 0 or at least 2: of each slice one page only joins it to the one before")
        return value

    def filters(self) -> dict[str, str | None]:
        """The filters of Wallhaven's search under the API's names; None = not sent."""
        return {
            "categories": self.wallhaven_categories,
            "purity": self.wallhaven_purity,
            "sorting": self.wallhaven_sorting,
            "order": self.wallhaven_order,
            "topRange": self.wallhaven_top_range,
            "atleast": self.wallhaven_atleast,
            "resolutions": self.wallhaven_resolutions,
            "ratios": self.wallhaven_ratios,
            "colors": self.wallhaven_colors,
            "ai_art_filter": self.wallhaven_ai_art_filter,
        }


class JsonplaceholderSettings(BaseSettings):
    """A public API of invented posts, users, photos …"""

    jsonplaceholder_api_url: ApiUrl = Field(
        "https://jsonplaceholder.typicode.com", description="the API, or a local twin's address"
    )
    jsonplaceholder_rate_per_minute: int = Field(60, ge=1, description="API calls in any 60 s, over all processes")


class RandomuserSettings(BaseSettings):
    """Invented people; the address names the version of the API, because another one has other people."""

    randomuser_api_url: ApiUrl = Field(
        "https://randomuser.me/api/1.4", description="the API with its version, or a local twin's address"
    )
    randomuser_rate_per_minute: int = Field(12, ge=1, description="API calls in any 60 s, over all processes")
    randomuser_results: int = Field(10, ge=1, le=5000, description="people in a run, which is one minute")


class KaggleSettings(BaseSettings):
    """Datasets of Kaggle."""

    kaggle_api_url: ApiUrl = Field("https://www.kaggle.com/api/v1", description="the API, or a local twin's address")
    kaggle_rate_per_minute: int = Field(30, ge=1, description="API calls in any 60 s, over all processes")
    kaggle_query: str = Field(
        "paramaggarwal/fashion-product-images-small", description="owner/name when --dataset is not given"
    )
    kaggle_username: str | None = Field(None, description="with KAGGLE_KEY; unset: kaggle.json of KAGGLE_CONFIG_DIR")
    kaggle_key: SecretStr | None = Field(None, description="the user's API token")
    kaggle_config_dir: Path = Field(Path("~/.kaggle"), description="where Kaggle's own kaggle.json is")
    kaggle_file_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        ("storage.googleapis.com",), description="host[:port], comma list; an archive comes from no other host"
    )
    kaggle_folders: Annotated[tuple[str, ...], NoDecode] = Field(
        ("images",), description="folders of pictures below the dataset's root, comma list; one task each"
    )
    kaggle_max_entries: int = Field(1_000_000, ge=1, description="an archive with more entries is refused")
    kaggle_max_bytes: int = Field(64 << 30, ge=1, description="an archive that unpacks to more is refused")

    @field_validator("kaggle_file_hosts", "kaggle_folders", mode="before")
    @classmethod
    def _parts(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip().strip("/") for part in value.split(",") if part.strip())
        return value


class SalesSettings(BaseSettings):
    """Files of sales."""

    sales_file: str | None = Field(None, description="path, http(s):// or s3:// address when --file is not given")
    sales_max_bytes: int = Field(64 << 20, ge=1, description="a larger file of sales is refused")
    sales_min_share: float = Field(
        0.9, ge=0, le=1, description="a file with a smaller share of the lines of the one before is refused; 0: never"
    )
    sales_rate_per_minute: int = Field(60, ge=1, description="files asked for in any 60 s, over all processes")


class SourceSettings(JsonplaceholderSettings, RandomuserSettings, KaggleSettings, SalesSettings, WallhavenSettings):
    """The settings of every source, and what is said of them all."""

    expected_minutes: Annotated[dict[str, int] | None, NoDecode] = Field(
        None, description="source=minutes, comma list: runs on another schedule than deploy/crontab's; 0 = on none"
    )

    @field_validator("expected_minutes", mode="before")
    @classmethod
    def _by_source(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        pairs = [part.partition("=") for part in value.split(",") if part.strip()]
        return {name.strip(): int(minutes) for name, _, minutes in pairs}
