"""An order to the child that decodes: which copies of a picture to make, whether to measure it. Both ends' words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from luigi_tasks.domain.derivatives import Colour, Facts, Fit, Rendering
from luigi_tasks.steps.measuring import measure
from luigi_tasks.steps.rendering import Source, render_from


def write(renderings: Sequence[Rendering], *, measured: bool) -> bytes:
    """The order, as perform reads it."""
    return json.dumps({"renderings": [asdict(rendering) for rendering in renderings], "measure": measured}).encode()


def perform(body: bytes | bytearray, order: bytes | bytearray) -> list[bytes]:
    """The facts (`null` when they were not ordered), then a copy for each rendering, in their order.

    Raises one of DECODER_ERRORS when the picture does not decode: nothing is made of half a picture.
    """
    wanted: dict[str, Any] = json.loads(order)
    source = Source(body)
    facts = asdict(measure(source)) if wanted["measure"] else None
    return [json.dumps(facts).encode(), *(render_from(source, _rendering(one)) for one in wanted["renderings"])]


def read(parts: Sequence[bytes]) -> tuple[Facts | None, list[bytes]]:
    """What perform returned: the facts when they were ordered, and the copies."""
    said = json.loads(parts[0])
    if said is None:
        return None, list(parts[1:])
    colours = tuple(Colour(**colour) for colour in said.pop("colours"))
    return Facts(**said, colours=colours), list(parts[1:])


def _rendering(one: dict[str, Any]) -> Rendering:
    frame = tuple(one["frame"]) if one["frame"] else None
    return Rendering(**{**one, "frame": frame, "fit": Fit(one["fit"])})
