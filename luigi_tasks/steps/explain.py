"""Explain: picture → object → attempts → record's version → page and position → request → run → code and settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from luigi_tasks.domain.errors import SettingsError, WarehouseError
from luigi_tasks.gateways import audit_ledger, lineage_ledger, postgres
from luigi_tasks.settings import Settings
from luigi_tasks.sources import CATALOGUE

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor


def explain(settings: Settings, wallhaven_id: str) -> dict[str, Any]:
    """{'picture', 'object', 'attempts', 'version', 'page', 'request', 'run'}; object is None until it is stored.

    Raises SettingsError for an id that is not there, WarehouseError for a chain with a link missing.
    """
    with postgres.transaction(settings) as cursor:
        return explained(cursor, wallhaven_id)


def explained(cursor: Cursor, wallhaven_id: str) -> dict[str, Any]:
    """The same in a transaction of the caller's."""
    if not audit_ledger.modelled(cursor):
        raise SettingsError("nothing was collected yet", mend="Start with: luigi --module luigi_tasks Collect")
    picture = lineage_ledger.picture(cursor, wallhaven_id)
    if picture is None:
        raise _unknown(cursor, wallhaven_id)
    stored = {name: picture.pop(name) for name in ("s3_key", "bytes", "sha256")}
    version = _link(lineage_ledger.version(cursor, wallhaven_id), wallhaven_id, "version of its record")
    page = _link(_page(cursor, wallhaven_id, version), wallhaven_id, "page that holds its record")
    return {
        "picture": picture,
        "object": stored if stored["s3_key"] else None,
        "attempts": lineage_ledger.attempts(cursor, wallhaven_id),
        "version": version,
        "request": page.pop("request"),
        "page": page | {"position": version["position"]},
        "run": _link(lineage_ledger.run(cursor, version["run_key"]), wallhaven_id, "run"),
    }


def _page(cursor: Cursor, wallhaven_id: str, version: dict[str, Any]) -> dict[str, Any] | None:
    """The page at which the record really stands, at that position: looked up, not believed."""
    for page in lineage_ledger.pages(cursor, version["run_key"], version["page_name"]):
        table = CATALOGUE[page["source"]].ENTITIES[page["entity"]].table
        if lineage_ledger.stands_at(cursor, table, page["body_sha256"], version["position"], wallhaven_id):
            return page
    return None


def _link(found: dict[str, Any] | None, wallhaven_id: str, what: str) -> dict[str, Any]:
    if found is None:
        raise WarehouseError(
            f"the {what} is missing, so its origin cannot be shown",
            where=wallhaven_id,
            mend="Compare with the raw zone: python -m luigi_tasks replay --diff",
        )
    return found


def _unknown(cursor: Cursor, wallhaven_id: str) -> SettingsError:
    number = lineage_ledger.quarantined(cursor, wallhaven_id)
    if number is not None:
        return SettingsError(
            f"{wallhaven_id} is in quarantine, not in wallpapers",
            mend=f"See `python -m luigi_tasks quarantine show {number}`.",
        )
    return SettingsError(f"no wallpaper {wallhaven_id!r} was collected", mend="Ids are the last part of its address.")


def lines(facts: dict[str, Any]) -> list[str]:
    """The chain for people."""
    picture, stored, version, page, run = (facts[name] for name in ("picture", "object", "version", "page", "run"))
    text = [
        f"picture    {picture['wallhaven_id']}  {picture['url']}  {picture['upload_status']}",
        f"object     {stored['s3_key']}  {stored['bytes']} bytes  sha256 {stored['sha256']}"
        if stored
        else "object     none yet",
    ]
    for attempt in facts["attempts"]:
        reason = f": {attempt['reason']}" if attempt["reason"] else ""
        text.append(f"attempt    {attempt['attempt']} {attempt['outcome']}{reason}  in {attempt['run_key']}")
    request = facts["request"]
    parameters = urlencode(sorted(request.get("params", {}).items()))
    return [
        *text,
        f"record     version {version['version_number']}, from {version['observed_at']}"
        f" to {version['last_observed_at']}",
        f"page       {page['object_key']}  position {page['position']}  sha256 {page['body_sha256']}",
        f"request    {request.get('method')} {run['source_address']}{request.get('path')}?{parameters}".rstrip("?"),
        f"run        {run['run_key']}  {run['state']}",
        f"made with  code {run['code_version']}, settings {run['settings_sha256']}",
    ]
