"""Which derivatives are made of a source's pictures: the recipes that the settings spell out."""

from __future__ import annotations

from luigi_tasks.domain.derivatives import Fit, Recipe, Rendering
from luigi_tasks.settings import Settings
from luigi_tasks.steps.rendering import library

THUMBNAIL, STANDARD, GREYSCALE = "thumbnail", "standard", "greyscale"


def recipes(settings: Settings, source: str) -> tuple[Recipe, ...]:
    """Every recipe for a source's pictures, by KAGGLE_DERIVATIVES for Kaggle and DERIVATIVES for all others."""
    operations = settings.kaggle_derivatives if source == "kaggle" else settings.derivatives
    versions = library()
    return tuple(
        Recipe(operation, rendering, versions)
        for operation in operations
        for rendering in _renderings(settings, operation)
    )


def thumbnails(settings: Settings) -> tuple[Recipe, ...]:
    """The recipes of the thumbnails, the smallest first: for who wants to show them."""
    versions = library()
    return tuple(Recipe(THUMBNAIL, rendering, versions) for rendering in _renderings(settings, THUMBNAIL))


def _renderings(settings: Settings, operation: str) -> list[Rendering]:
    if operation == THUMBNAIL:
        quality = settings.thumbnail_quality
        return [Rendering((side, side), Fit.INSIDE, "RGBA", "webp", quality) for side in settings.thumbnail_sizes]
    if operation == STANDARD:
        frame = settings.standard_frame
        fit, mode = Fit(settings.standard_fit), settings.standard_mode
        return [Rendering(frame, fit, mode, settings.standard_format, settings.standard_quality)]
    return [Rendering(None, Fit.INSIDE, "L", settings.greyscale_format, settings.greyscale_quality)]
