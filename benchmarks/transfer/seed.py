"""The way most collectors begin: one picture after another with requests and boto3, and a row for each.

Run: python -m benchmarks.transfer.seed WORK.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import boto3
import psycopg2
import requests


def main(work: Path) -> None:
    """Store everything."""
    told = json.loads(work.read_text())
    s3 = boto3.client(
        "s3", endpoint_url=told["s3"], region_name="us-east-1", aws_access_key_id="b", aws_secret_access_key="b"
    )
    connection = psycopg2.connect(told["dsn"])
    with connection, connection.cursor() as cursor:
        cursor.execute("create temporary table uploads (id text primary key, key text, at timestamptz default now())")
    for picture in told["pictures"]:
        answer = requests.get(picture["image_url"], timeout=60)
        answer.raise_for_status()
        s3.put_object(Bucket="bench", Key=picture["s3_key"], Body=answer.content)
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "insert into uploads (id, key) values (%s, %s)", (picture["wallhaven_id"], picture["s3_key"])
            )
    connection.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
