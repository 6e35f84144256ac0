"""The demo's plan: what the catalogue holds and what goes wrong, as constants that others may assert on."""

from __future__ import annotations

from twin.catalogue import Catalogue
from twin.faults import Fault

QUERY = "draenei"
WALLPAPERS = 64
"""SFW wallpapers that `q=draenei&purity=100` finds: three pages of 24."""

OTHERS = 12
"""Wallpapers that it must not find: sketchy, nsfw and other tags."""

SEED = 1
PAGES = 3


def demo_catalogue(*, small: bool = False) -> Catalogue:
    """The demo's catalogue; ids don't depend on `small`."""
    return Catalogue.generate(WALLPAPERS, query=QUERY, seed=SEED, small=small, others=OTHERS)


def _found_ids() -> tuple[str, ...]:
    wallpapers = demo_catalogue(small=True).snapshot()[1]
    return tuple(
        wallpaper.id
        for wallpaper in wallpapers
        if wallpaper.purity == "sfw" and any(QUERY in tag.name for tag in wallpaper.tags)
    )


IDS = _found_ids()
"""The ids that the demo's query finds, oldest first."""

TRUNCATED_ID = IDS[40]
"""Its picture always arrives cut short."""

CORRUPT_ID = IDS[20]
"""Its picture always arrives with damaged bytes, at full length."""

GONE_ID = IDS[30]
"""Listed, but taken down since: its picture and its detail answer 404."""

STORABLE = WALLPAPERS - 3
"""Wallpapers whose pictures can be had whole."""


def demo_faults() -> list[Fault]:
    """The second search request is throttled once; three wallpapers can never be fetched."""
    return [
        Fault("throttle", "search", after=1, times=1, retry_after=1),
        Fault("truncate", "image", times=None, id=TRUNCATED_ID),
        Fault("corrupt", "image", times=None, id=CORRUPT_ID),
        Fault("gone", "image", times=None, id=GONE_ID),
        Fault("gone", "detail", times=None, id=GONE_ID),
    ]
