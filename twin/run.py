"""`python -m twin.run -- COMMAND`: run a command with the demo's twin up and its address in the environment.

The command's exit code is ours. With --visits FILE the site grows: the file counts the calls, and every call after
the first finds 24 new wallpapers, as a collector who comes back would.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twin import Catalogue, Fault, Twin

RATE_PER_MINUTE = 600
UPLOADED_BETWEEN_VISITS = 24
PORT = 18450
"""The same at every call where it is free: addresses of pictures are part of the records."""


def main() -> int:
    """Run the command; its exit code, or 1 when it cannot be started."""
    options = _options()
    from twin.demo import demo_catalogue, demo_faults
    from twin.sites import demo_settings

    catalogue = demo_catalogue(small=options.small)
    visits = _count_visit(options.visits)
    for _ in range(visits):
        catalogue.upload(UPLOADED_BETWEEN_VISITS)
    twin = _started(catalogue, demo_faults(), visits)
    try:
        environment = os.environ | {
            "WALLHAVEN_API_URL": twin.api_url,
            "WALLHAVEN_IMAGE_HOSTS": twin.image_host,
            "WALLHAVEN_RATE_PER_MINUTE": str(RATE_PER_MINUTE),
        }
        environment |= demo_settings({name: twin.site_url(name) for name in twin.sites}, twin.image_host)
        return subprocess.run(options.command, env=environment, check=False).returncode
    except OSError as problem:
        sys.stderr.write(f"twin.run: cannot start {options.command[0]}: {problem}\n")
        return 1
    finally:
        twin.stop()


def _started(catalogue: Catalogue, faults: list[Fault], visits: int, port: int = PORT) -> Twin:
    """A twin on the port, on any other when it is taken."""
    from twin.server import Twin
    from twin.sites import demo_sites

    twin = Twin(catalogue, faults=faults, rate_per_minute=RATE_PER_MINUTE, sites=demo_sites(visits), port=port)
    try:
        twin.start()
    except OSError:
        if port == 0:
            raise
        return _started(catalogue, faults, visits, 0)
    return twin


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m twin.run",
        description="Run a command with the demo's twin up and its address in the environment.",
        epilog="example: python -m twin.run -- luigi --module luigi_tasks Collect",
    )
    parser.add_argument("--small", action="store_true", help="pictures of at most 64 px")
    parser.add_argument("--visits", type=Path, metavar="FILE", help="counts the calls; the site grows between them")
    parser.add_argument("command", nargs="+", help="the command and its arguments, after --")
    return parser.parse_args()


def _count_visit(path: Path | None) -> int:
    if path is None:
        return 0
    earlier = int(path.read_text()) if path.exists() else 0
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{earlier + 1}\n")
    return earlier


if __name__ == "__main__":
    sys.exit(main())
