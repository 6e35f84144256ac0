"""A pipeline's surroundings as the invariant checker looks at them."""

from __future__ import annotations

from typing import Any

from luigi_tasks.settings import Settings
from tests.journey.running import Pipeline
from tests.prove.world import World
from tests.s3_double import Server


def world_of(pipeline: Pipeline, double: Server | None = None, per_minute: int | None = None) -> World:
    """What is checked after a kill and at rest. double: the bucket, when it is not a folder; per_minute: the budget."""
    given: dict[str, Any] = {
        name.lower(): value for name, value in pipeline.environ.items() if name.startswith(("PG", "WALLHAVEN_API_URL"))
    }
    given |= double.settings() if double else {}
    settings = Settings(draenei_home=pipeline.home, wallhaven_image_hosts=(pipeline.twin.image_host,), **given)
    return World(settings, pipeline.twin, double, per_minute=per_minute)
