"""Where the pages are: DRAENEI_HOME/reports, one folder a run, the overview above them; the gallery beside them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from luigi_tasks.settings import Settings

NAME = "report.html"
SHEET = "contact-sheet.webp"


def folder(settings: Settings) -> Path:
    """Where every report is."""
    return settings.draenei_home / "reports"


def path(settings: Settings, run_key: str) -> Path:
    """The report of a run, whether or not it is written yet."""
    return folder(settings) / run_key.replace(":", "") / NAME


def url(settings: Settings, run_key: str) -> str:
    """Its address for other pages: below REPORTS_URL where that is set, else the file's."""
    file = path(settings, run_key)
    if settings.reports_url:
        return f"{settings.reports_url.rstrip('/')}/{file.relative_to(folder(settings)).as_posix()}"
    return file.as_uri()


def gallery(settings: Settings) -> str | None:
    """The gallery's address: GALLERY_URL's where that is set, else the file's; None while there is no gallery."""
    page = settings.draenei_home / "gallery" / "index.html"
    if not page.exists():
        return None
    return f"{settings.gallery_url.rstrip('/')}/index.html" if settings.gallery_url else page.as_uri()
