"""The same pipeline with a bucket of an S3 API instead of a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import boto3
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer

from tests.journey.running import RUN, Pipeline

BUCKET = "wallpapers-journey"
NEXT_RUN = "2026-11-21T07:01"


@pytest.fixture
def s3() -> Iterator[dict[str, str]]:
    """An S3 API on loopback with an empty bucket, as settings."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield {
        "BUCKET_NAME": BUCKET,
        "S3_ENDPOINT_URL": f"http://{host}:{port}",
        "S3_FORCE_PATH_STYLE": "true",
        "AWS_ACCESS_KEY_ID": "journey",
        "AWS_SECRET_ACCESS_KEY": "journey",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    server.stop()


def test_first_run_stores_all_and_the_second_puts_nothing(pipeline: Pipeline, s3: dict[str, str]) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=s3["S3_ENDPOINT_URL"],
        aws_access_key_id="journey",
        aws_secret_access_key="journey",
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}),
    )
    client.create_bucket(Bucket=BUCKET)

    def objects(prefix: str) -> dict[str, tuple[str, str]]:
        listed = client.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return {item["Key"]: (item["ETag"], str(item["LastModified"])) for item in listed}

    pipeline.environ |= s3
    first = pipeline.collect(RUN)
    assert (first.returncode, first.stderr) == (0, "")
    pictures = objects("wallpapers/")
    known = {one.id: one for one in pipeline.twin.catalogue.snapshot()[1]}
    assert {key.partition("/")[2].partition(".")[0] for key in pictures} == known.keys()
    for key in pictures:
        wallpaper = known[key.partition("/")[2].partition(".")[0]]
        found = client.get_object(Bucket=BUCKET, Key=key)
        sha256 = hashlib.sha256(wallpaper.picture.body() or b"").hexdigest()
        assert hashlib.sha256(found["Body"].read()).hexdigest() == sha256 == found["Metadata"]["sha256"]
        assert found["ContentType"] == wallpaper.file_type
    assert len(objects("raw/")) == pipeline.count("ops.pages") == 13
    assert pipeline.objects("") == {}
    assert pipeline.count("draenei_content.wallpapers", "upload_status = 'stored'") == 12

    second = pipeline.collect(NEXT_RUN)
    assert (second.returncode, second.stderr) == (0, "")
    assert objects("wallpapers/") == pictures
    assert pipeline.count("ops.uploads") == 12
    assert len(pipeline.twin.image_requests()) == 12
    client.close()
