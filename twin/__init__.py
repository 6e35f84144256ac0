"""A stand-in of Wallhaven for demo, tests and benchmarks: real HTTP on loopback, faults on demand.

In process::

    from twin import Catalogue, Fault, Twin

    with Twin(Catalogue.generate(60, small=True)) as twin:
        twin.faults.add(Fault("throttle", "search", after=1, retry_after=1))
        ...  # WALLHAVEN_API_URL=twin.api_url  WALLHAVEN_IMAGE_HOSTS=twin.image_host

As a process: ``python -m twin --help``. Map: `server` (sockets, recording) → `wallhaven`, `images`, `admin`
(routes) → `search` (filters), `catalogue`, `generation`, `pictures`; `faults` says what goes wrong,
`delivery` does it to the bytes on the wire, `ratelimit` counts, `demo` is the demo's plan.

It needs the standard library and Pillow only, and knows nothing of the pipeline.
"""

from __future__ import annotations

from twin.catalogue import Catalogue
from twin.faults import Fault, FaultPlan
from twin.messages import Request
from twin.server import Twin
from twin.wallhaven import Account, Collection
from twin.wallpaper import Tag, Uploader, Wallpaper

__all__ = [
    "Account",
    "Catalogue",
    "Collection",
    "Fault",
    "FaultPlan",
    "Request",
    "Tag",
    "Twin",
    "Uploader",
    "Wallpaper",
]
