"""`python -m twin`: the twin as a process of its own."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

EPILOG = """\
examples:
  python -m twin --small                        60 tiny wallpapers on a free port; the address is printed
  python -m twin --demo --port-file var/twin    the demo's catalogue and faults; the port is written when ready
  curl 'http://127.0.0.1:PORT/api/v1/search?q=draenei'
  curl -X POST 'http://127.0.0.1:PORT/twin/upload?count=5'
  curl -X POST 'http://127.0.0.1:PORT/twin/delete?id=ID'
  curl -X POST -d '{"kind": "throttle", "match": "search", "retry_after": 2}' http://127.0.0.1:PORT/twin/fault
  curl http://127.0.0.1:PORT/twin/requests
"""


def main() -> int:
    """Serve until SIGTERM or SIGINT; exit status 0 then, 2 for a wrong option, 1 if the port is taken."""
    options = _options()
    from twin.catalogue import Catalogue
    from twin.demo import demo_catalogue, demo_faults
    from twin.server import Twin
    from twin.sites import demo_sites

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    catalogue = (
        demo_catalogue(small=options.small)
        if options.demo
        else Catalogue.generate(
            options.wallpapers, query=options.query, seed=options.seed, small=options.small, others=options.others
        )
    )
    twin = Twin(
        catalogue,
        faults=demo_faults() if options.demo else (),
        rate_per_minute=options.rate_per_minute,
        sites=demo_sites(),
        port=options.port,
    )
    try:
        twin.start()
    except OSError as refused:
        sys.stderr.write(f"twin: cannot listen on 127.0.0.1:{options.port}: {refused}; try --port 0\n")
        return 1
    sys.stdout.write(f"twin: {twin.api_url} images {twin.image_host}\n")
    sys.stdout.flush()
    if options.port_file:
        _write_atomically(options.port_file, f"{twin.port}\n")
    _wait(stop, options.exit_with_parent)
    twin.stop()
    if options.port_file:
        options.port_file.unlink(missing_ok=True)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m twin",
        description="A stand-in of Wallhaven on loopback: API, images, faults on demand.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

    def count(flag: str, default: int, text: str) -> None:
        parser.add_argument(flag, default=default, type=_count, metavar="N", help=text)

    count("--port", 0, "0 picks a free port (default)")
    parser.add_argument("--port-file", type=Path, metavar="PATH", help="holds the port while the twin is ready")
    count("--wallpapers", 60, "that the query finds (default 60)")
    count("--others", 0, "that it does not find (default 0)")
    count("--seed", 1, "another seed, other wallpapers (default 1)")
    parser.add_argument("--query", default="draenei", help="the word they are found by (default draenei)")
    count("--rate-per-minute", 45, "API calls per client (default 45)")
    parser.add_argument("--demo", action="store_true", help="the demo's 64 + 12 wallpapers and its faults")
    parser.add_argument("--small", action="store_true", help="pictures of at most 64 px")
    parser.add_argument("--exit-with-parent", metavar="PID", type=_count, help="end when this process is gone")
    return parser.parse_args()


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def _write_atomically(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    fresh.write_text(text)
    fresh.replace(path)


def _wait(stop: threading.Event, companion: int | None) -> None:
    is_parent = companion == os.getppid()
    while not stop.wait(0.25 if companion else None):
        # A dead parent may linger as a zombie; ours shows in a changed parent id even then.
        if companion and (not _alive(companion) or (is_parent and os.getppid() != companion)):
            return


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    sys.exit(main())
