"""Where a wallpaper comes from, link by link, read from the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from luigi_tasks.gateways import selects

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

PICTURE = """
select w.wallhaven_id, w.url, w.upload_status, w.updated_at, u.s3_key, u.bytes, u.sha256
from draenei_content.wallpapers as w
left join ops.uploads as u on w.wallhaven_id = u.wallhaven_id and u.outcome = 'stored' and u.lost_at is null
where w.wallhaven_id = %s
"""
ATTEMPTS = """
select attempt, outcome, reason, http_status, run_key, started_at, finished_at from ops.uploads
where wallhaven_id = %s order by attempt
"""
# The last part of an observation's key is the position, in six digits or more (macros/wallhaven.sql).
VERSION = """
select
    version_number, content_hash, observed_at, last_observed_at, run_key, page_name,
    regexp_replace(observation_key, '^.* ', '')::integer as position
from draenei_content.wallpaper_versions
where wallhaven_id = %s order by observation_key desc limit 1
"""
PAGES = """
select source, entity, page_name, object_key, body_sha256, body_bytes, status, fetched_at, request
from ops.pages where run_key = %s and page_name = %s and status = 200 order by entity
"""
RUN = """
select run_key, query, parameters, run_id, state, source_address, code_version, settings_sha256, started_at, finished_at
from ops.runs where run_key = %s
"""
QUARANTINED = "select quarantine_id from ops.quarantine where record_id = %s and state = 'open' order by 1 limit 1"


def picture(cursor: Cursor, wallhaven_id: str) -> dict[str, Any] | None:
    """The wallpaper and its object (s3_key, bytes, sha256: None until it is stored); None for one that is not there."""
    return selects.first(cursor, PICTURE, (wallhaven_id,))


def attempts(cursor: Cursor, wallhaven_id: str) -> list[dict[str, Any]]:
    """Every attempt at the picture."""
    return selects.rows(cursor, ATTEMPTS, (wallhaven_id,))


def version(cursor: Cursor, wallhaven_id: str) -> dict[str, Any] | None:
    """The version of its record that holds, and the sighting that brought it."""
    return selects.first(cursor, VERSION, (wallhaven_id,))


def pages(cursor: Cursor, run_key: str, page_name: str) -> list[dict[str, Any]]:
    """The pages of that name in a run; two entities might share a name."""
    return selects.rows(cursor, PAGES, (run_key, page_name))


def stands_at(cursor: Cursor, table: str, body_sha256: str, position: int, record_id: str) -> bool:
    """True when this record stands at this position of this body. table: a raw table of the catalogue."""
    found = selects.rows(
        cursor,
        f"select 1 as one from {table} where body_sha256 = %s and position = %s and record_id = %s",  # noqa: S608
        (body_sha256, position, record_id),
    )
    return bool(found)


def run(cursor: Cursor, run_key: str) -> dict[str, Any] | None:
    """The run, with what it was made with."""
    return selects.first(cursor, RUN, (run_key,))


def quarantined(cursor: Cursor, record_id: str) -> int | None:
    """The number of an open quarantined record of this id."""
    found = selects.first(cursor, QUARANTINED, (record_id,))
    return int(found["quarantine_id"]) if found else None
