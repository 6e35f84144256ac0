"""Creates the bucket that BUCKET_NAME names unless it is there: a one-shot service before the pipeline starts.

Reads the settings of the pipeline. S3: keys and retries are boto3's own (AWS_ACCESS_KEY_ID, AWS_MAX_ATTEMPTS …).
gs://name: a bucket of Google's in the project GOOGLE_CLOUD_PROJECT, closed to the public. Running it again
changes nothing.
"""

from __future__ import annotations

import logging
import os
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from luigi_tasks import settings
from luigi_tasks.domain.errors import PipelineError, SettingsError, StoreError
from luigi_tasks.gateways import gcs_api
from luigi_tasks.gateways.gcs_store import SCHEME
from luigi_tasks.settings import Settings

log = logging.getLogger("create_bucket")


def create(own: Settings) -> bool:
    """Create the bucket; False when it was there. Raises SettingsError without BUCKET_NAME, StoreError when refused."""
    if not own.bucket_name:
        raise SettingsError("no bucket is named", where="BUCKET_NAME", mend="Set BUCKET_NAME.")
    if own.bucket_name.startswith(SCHEME):
        return gcs_api.create_bucket(
            own, own.bucket_name.removeprefix(SCHEME), os.environ.get("GOOGLE_CLOUD_PROJECT", "")
        )
    where = f"bucket {own.bucket_name} at {own.s3_endpoint or 'AWS'}"
    try:
        config = Config(s3={"addressing_style": "path" if own.s3_force_path_style else "auto"})
        client = boto3.client("s3", endpoint_url=own.s3_endpoint, config=config)
        try:
            client.head_bucket(Bucket=own.bucket_name)
        except ClientError as problem:
            if problem.response["Error"]["Code"] not in {"404", "NoSuchBucket"}:
                raise
            client.create_bucket(Bucket=own.bucket_name)
            return True
    except ClientError as problem:
        if problem.response["Error"]["Code"] == "BucketAlreadyOwnedByYou":  # another one-shot was faster
            return False
        mend = "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; the name may also belong to somebody else."
        raise StoreError(str(problem), where=where, mend=mend) from None
    except BotoCoreError as problem:
        raise StoreError(type(problem).__name__, where=where, mend="Check S3_ENDPOINT_URL and the network.") from None
    return False


def main() -> None:
    """The command; ends with 1 and one line that says why when the bucket is not there in the end."""
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    log.setLevel(logging.INFO)
    try:
        own = settings.load()
        created = create(own)
    except PipelineError as problem:
        sys.exit(f"create_bucket: {problem}")
    log.info("bucket %s %s", own.bucket_name, "created" if created else "is there")


if __name__ == "__main__":
    main()
