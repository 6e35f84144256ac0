"""What a takedown leaves on pages: contact sheets and reports of the runs that stored the picture, and the gallery.

All that may show it is deleted first and made again then, without it: killed in between, a page is missing and shows
nothing; the same command makes the sheets again, `report` and `gallery` the rest.
"""

from __future__ import annotations

from luigi_tasks.gateways import postgres, takedown_ledger, whole_file
from luigi_tasks.gateways.objects import ObjectStore
from luigi_tasks.gateways.takedown_ledger import Concerned
from luigi_tasks.settings import Settings
from luigi_tasks.steps import contact_sheet, gallery, gallery_bucket, reports, run_report


def redraw(settings: Settings, store: ObjectStore, about: Concerned) -> list[str]:
    """Delete every page on this machine, and in the bucket, that may show it, and write it anew; what was written.

    The objects are gone already. Raises StoreError, WarehouseError.
    """
    with postgres.transaction(settings) as cursor:
        runs = takedown_ledger.runs_that_stored(cursor, about)
    reported = [run_key for run_key in runs if reports.path(settings, run_key).exists()]
    drawn = [run_key for run_key in runs if contact_sheet.path(settings, run_key).exists()]
    for run_key in runs:
        sheet = contact_sheet.path(settings, run_key)
        for page in (sheet, whole_file.unfinished(sheet), reports.path(settings, run_key)):
            page.unlink(missing_ok=True)
    written = [str(_sheet(settings, store, run_key)) for run_key in drawn]
    written += [str(run_report.write(settings, run_key)) for run_key in reported]
    return written + _gallery(settings, store)


def _sheet(settings: Settings, store: ObjectStore, run_key: str) -> object:
    return contact_sheet.draw(settings, run_key, store)["contact_sheet"] or f"nothing: {run_key} stored nothing else"


def _gallery(settings: Settings, store: ObjectStore) -> list[str]:
    """The gallery of this machine, and that of the bucket when there is one, also one that GALLERY names no more."""
    home = gallery.home(settings)
    is_in_bucket = bool(settings.bucket_name and store.head(f"{gallery_bucket.PREFIX}index.html"))
    if not is_in_bucket and not (home / "data" / "index.js").exists():
        return []
    written = [str(gallery.write(settings, store, home)["gallery"])]
    if is_in_bucket:
        written.append(str(gallery.upload(settings, store, home)["gallery_in_bucket"]))
    return written
