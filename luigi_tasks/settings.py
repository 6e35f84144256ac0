"""What differs between two machines: typed, frozen, read once, and the origin of each value known.

Falling precedence: Luigi parameter (applied by the tasks), environment, `.env`, secret files, AWS Secrets Manager,
Vault (secret_sources.py), `luigi.cfg` section [draenei], default. Names are the ones that other tools already use
where there is one (PGHOST, AWS_PROFILE …).
"""

from __future__ import annotations

import configparser
import functools
import hashlib
import os
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from luigi_tasks import secret_sources
from luigi_tasks.derivative_settings import DerivativeSettings, one_of
from luigi_tasks.domain.errors import SettingsError
from luigi_tasks.source_settings import SourceSettings


class Settings(DerivativeSettings, SourceSettings):
    """Every setting, under the name a user types. Sizes are bytes, times are seconds."""

    model_config = SettingsConfigDict(
        case_sensitive=False, extra="ignore", frozen=True, env_file=".env", env_ignore_empty=True
    )

    # the crawl
    chunk_pages: int = Field(
        20,
        ge=0,
        description="a longer crawl is loaded, modelled, published and measured in chunks while it goes on; 0 = never",
    )
    gone_confirmations: int = Field(3, ge=1, description="answers of 404 after which a wallpaper counts as gone")
    gone_spacing_hours: float = Field(20, ge=0, description="time between two of these answers")
    details_per_run: int = Field(120, ge=0, description="details (tags, uploader) fetched in a run; 0 = none")

    quarantine_max_share: float = Field(
        0.05, ge=0, le=1, description="a run fails when more of its records than this share are quarantined"
    )

    redact_at_rest: bool = Field(
        True, description="passwords and the like are replaced before a response is kept in the raw zone"
    )

    # patience with the source
    http_timeout_seconds: float = Field(60, gt=0, description="whole time for one API response")
    http_max_attempts: int = Field(6, ge=1, description="attempts at one API request")
    http_max_wait_seconds: float = Field(300, ge=0, description="longest wait that a Retry-After may ask for")
    source_page_max_bytes: int = Field(16 << 20, ge=1, description="an API response larger than this is refused")

    # the pictures
    upload_batch_limit: int | None = Field(None, ge=0, description="at most so many images in a run")
    upload_max_attempts: int = Field(5, ge=1, description="attempts at a picture before it is given up")
    upload_concurrency: int = Field(64, ge=1, le=256, description="pictures fetched at once, and others put, at most")
    image_host_concurrency: int | None = Field(None, ge=1, description="pictures of one image host in flight, at most")
    upload_processes: int = Field(1, ge=1, le=64, description="processes that share a run's pictures, at most")
    upload_memory_bytes: int = Field(128 << 20, ge=1 << 20, description="bytes of pictures in flight at once")
    upload_lease_seconds: float = Field(60, gt=0, description="a picture claimed by a process that hangs is free then")
    image_answer_seconds: float = Field(5, gt=0, description="no answer by then: the picture is tried again at the end")
    image_timeout_seconds: float = Field(300, gt=0, description="whole time for one picture, but its waits for room")
    image_max_bytes: int = Field(256 << 20, ge=1, description="a larger picture is refused")
    image_max_pixels: int = Field(200_000_000, ge=1, description="a picture with more pixels is refused")
    image_decode_seconds: int = Field(60, ge=1, description="CPU time to decode one picture; thrice that by the clock")
    image_full_decode: bool = Field(True, description="false: structure, size and hash only, no pixel is decoded")
    image_mismatch: str = Field("flag", description="flag or refuse a whole picture that disagrees with its record")

    # the stores
    draenei_home: Path = Field(Path("var"), description="everything that the embedded default writes")
    bucket_name: str | None = Field(
        None, description="name: S3 bucket; gs://name: Google Cloud Storage; unset: folder DRAENEI_HOME/objects"
    )
    google_application_credentials: Path | None = Field(
        None, description="key file for gs://; unset: what Google's own search finds"
    )
    storage_emulator_host: str | None = Field(None, description="host:port or address of an emulator of gs://")
    s3_endpoint_url: str | None = Field(None, description="an S3 API that is not AWS's")
    s3_read_timeout_seconds: float = Field(60, gt=0, description="no answer of the store by then: tried again")
    s3_force_path_style: bool = Field(False, description="bucket in the path rather than in the host name")
    aws_access_key_id: str | None = Field(None, description="unset: boto3's own chain (profile, role …)")
    aws_secret_access_key: SecretStr | None = Field(None, description="goes with the id")
    aws_session_token: SecretStr | None = Field(None, description="for temporary credentials")
    aws_default_region: str | None = Field(None, description="the bucket's region")
    aws_profile: str | None = Field(None, description="a profile of ~/.aws")
    aws_endpoint_url_s3: str | None = Field(None, description="the same as S3_ENDPOINT_URL, which stands above it")
    pghost: str | None = Field(None, description="unset: the embedded server")
    pgport: int | None = Field(None, description="libpq's default when unset")
    pguser: str | None = Field(None, description="libpq's default when unset")
    pgpassword: SecretStr | None = Field(None, description="or libpq's own ~/.pgpass")
    pgdatabase: str | None = Field(None, description="libpq's default when unset")
    dbt_pguser: str = Field("draenei_dbt", description="dbt's own login, where it has one")
    dbt_pgpassword: SecretStr | None = Field(None, description="set: dbt logs in apart, on the server of PG* too")

    # what people see
    gallery: str = Field(
        "folder", description="none folder bucket: where a run that changed something leaves the gallery"
    )
    gallery_pictures: int = Field(
        50_000, ge=1, description="of each source the newest so many are in the gallery; the cost of writing it"
    )
    notify_urls: SecretStr | None = Field(
        None, description="Apprise addresses (mailto:// slack:// tgram:// ntfy:// …) that get a digest of each run"
    )
    notify_when: str = Field("changes", description="changes always failures; failures are always told")
    deadman_url: SecretStr | None = Field(None, description="fetched after each success; its silence is the alarm")
    metrics_file: Path | None = Field(
        None, description="metrics for Prometheus after each run; unset: DRAENEI_HOME/metrics/draenei.prom"
    )
    pushgateway_url: str | None = Field(None, description="a Prometheus Pushgateway that gets them too")
    reports_kept: int = Field(200, ge=1, description="reports kept of each source, and its runs in the overview")
    reports_url: str | None = Field(
        None, description="where DRAENEI_HOME/reports is served, for links to it; unset: the files themselves"
    )
    gallery_url: str | None = Field(
        None, description="where DRAENEI_HOME/gallery is served, for links to it; unset: the files themselves"
    )
    scheduler_page: str = Field(
        "http://127.0.0.1:8082/static/visualiser/index.html", description="what reports link to as the scheduler's page"
    )
    dbt_nodes_in_scheduler: bool = Field(
        True, description="dbt's models and tests show in the central scheduler's page while they are built"
    )
    dbt_skip_unchanged: bool = Field(
        True, description="a run leaves dbt's build out when the last one, less than a day ago, found all that is there"
    )
    dbt_runs_kept: int = Field(20, ge=1, description="runs whose dbt artefacts are kept below DRAENEI_HOME/dbt/runs")
    draenei_progress: str = Field("auto", description="auto bar plain json none")

    @field_validator("bucket_name")
    @classmethod
    def _bucket(cls, value: str | None) -> str | None:
        """A name, or gs:// and a name: no other scheme and no path, which would be part of a name in silence."""
        if value and "/" in value.removeprefix("gs://"):
            raise ValueError("must be the name of an S3 bucket, or gs:// and the name of one of Google's")
        return value

    @field_validator("draenei_home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().resolve()

    @field_validator("reports_url", "gallery_url", "scheduler_page")
    @classmethod
    def _page(cls, value: str | None) -> str | None:
        if value and not value.startswith(("https://", "http://", "file:///")):
            raise ValueError("must start with https://, http:// or file:///")
        return value

    @field_validator("image_mismatch")
    @classmethod
    def _mismatch(cls, value: str) -> str:
        return one_of(value, ("flag", "refuse"))

    @field_validator("notify_when")
    @classmethod
    def _when(cls, value: str) -> str:
        return one_of(value, ("changes", "always", "failures"))

    @field_validator("gallery")
    @classmethod
    def _gallery(cls, value: str) -> str:
        return one_of(value, ("none", "folder", "bucket"))

    @field_validator("draenei_progress")
    @classmethod
    def _progress(cls, value: str) -> str:
        return one_of(value, ("auto", "bar", "plain", "json", "none"))

    @property
    def s3_endpoint(self) -> str | None:
        """The S3 endpoint under either of its names."""
        return self.s3_endpoint_url or self.aws_endpoint_url_s3

    @property
    def embedded(self) -> bool:
        """True when no PG* address is set, so that the embedded server is used."""
        return not self.pghost

    def digest(self) -> str:
        """SHA-256 over every setting but the secrets: which settings a run had."""
        return hashlib.sha256(self.model_dump_json(exclude=SECRETS).encode()).hexdigest()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        secrets = secret_sources.configured(settings_cls).values()
        return init_settings, env_settings, dotenv_settings, *secrets, LuigiConfigSource(settings_cls)


SECRETS = {name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)}
SECRETS.add("aws_access_key_id")  # no secret by itself, but no log needs it


class LuigiConfigSource(PydanticBaseSettingsSource):
    """Section [draenei] of the luigi.cfg that Luigi itself would read."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return self._section().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return {name: value for name, value in self._section().items() if name in Settings.model_fields and value}

    @staticmethod
    def _section() -> dict[str, str]:
        parser = configparser.ConfigParser(interpolation=None)
        parser.read(["luigi.cfg", os.environ.get("LUIGI_CONFIG_PATH", "")])
        return dict(parser["draenei"]) if parser.has_section("draenei") else {}


@functools.cache
def load() -> Settings:
    """Read the settings once. Raises SettingsError that names each bad setting and its origin, never its value."""
    try:
        return Settings()
    except ValidationError as problem:
        found = origins()
        lines = [
            f"{name.upper()} ({found.get(name, 'default')}): {error['msg']}"
            for error in problem.errors()
            for name in [str(error["loc"][0])]
        ]
        raise SettingsError("; ".join(lines), mend="See `python -m luigi_tasks config --show-origin`.") from None


def origins() -> dict[str, str]:
    """Which origin supplies each setting that is not at its default: {'pghost': 'environment', …}."""
    sources: dict[str, PydanticBaseSettingsSource] = {
        "environment": EnvSettingsSource(Settings),
        ".env": DotEnvSettingsSource(Settings),
        **secret_sources.configured(Settings),
        "luigi.cfg": LuigiConfigSource(Settings),
    }
    found: dict[str, str] = {}
    for origin, source in sources.items():
        for name in source():
            found.setdefault(name.lower(), origin)
    return {name: origin for name, origin in found.items() if name in Settings.model_fields}
