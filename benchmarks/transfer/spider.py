"""Scrapy's own way to keep files in S3; run in Scrapy's environment: scrapy runspider spider.py -s WORK=WORK.json"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import scrapy


class Pictures(scrapy.Spider):  # type: ignore[misc]
    """Hands every address to the FilesPipeline."""

    name = "pictures"

    @classmethod
    def update_settings(cls, settings: scrapy.settings.BaseSettings) -> None:
        """The store, and as many at once as the other tools have."""
        told = json.loads(Path(settings.get("WORK")).read_text())
        for name, value in {
            "ITEM_PIPELINES": {"scrapy.pipelines.files.FilesPipeline": 1},
            "FILES_STORE": "s3://bench/scrapy/",
            "AWS_ENDPOINT_URL": told["s3"],
            "AWS_ACCESS_KEY_ID": "b",
            "AWS_SECRET_ACCESS_KEY": "b",
            "AWS_REGION_NAME": "us-east-1",
            "CONCURRENT_REQUESTS": 64,
            "CONCURRENT_REQUESTS_PER_DOMAIN": 64,
            "CONCURRENT_ITEMS": 1000,
            "DOWNLOAD_DELAY": 0,
            "DOWNLOAD_WARNSIZE": 0,
            "LOG_LEVEL": "WARNING",
            "TELNETCONSOLE_ENABLED": False,
        }.items():
            settings.set(name, value, priority="spider")

    async def start(self) -> Iterator[dict[str, list[str]]]:
        """One item a picture."""
        for picture in json.loads(Path(self.settings.get("WORK")).read_text())["pictures"]:
            yield {"file_urls": [picture["image_url"]]}
