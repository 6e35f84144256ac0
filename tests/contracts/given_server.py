"""A bucket on a server that somebody else runs: DRAENEI_CONTRACT_S3 is its address, AWS_* the way in.

`make contract ENDPOINT=http://127.0.0.1:8333` holds the contract suite against it.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator

from luigi_tasks.gateways.s3_store import S3Store
from luigi_tasks.settings import Settings

# Read now: the tests themselves see nothing of the user's environment.
ENDPOINT = os.environ.get("DRAENEI_CONTRACT_S3", "")
NAMES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")
WAY_IN = {name.lower(): os.environ[name] for name in NAMES if name in os.environ}
IS_GIVEN = bool(ENDPOINT)


@contextlib.contextmanager
def given_bucket() -> Iterator[S3Store]:
    """A store on a new bucket of that server; bucket and contents are removed at the end."""
    name = f"contract-{uuid.uuid4().hex}"
    settings = Settings(bucket_name=name, s3_endpoint_url=ENDPOINT, s3_force_path_style=True, **WAY_IN)
    store = S3Store(settings, name)
    store._client.create_bucket(Bucket=name)
    try:
        yield store
    finally:
        for head in list(store.list("")):
            store.remove(head.key)
        store._client.delete_bucket(Bucket=name)
