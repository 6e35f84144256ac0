"""Where the embedded PostgreSQL can be reached: the choice of its TCP port and of its socket's folder.

Both are chosen once and kept; a port that somebody else has taken, and a folder that is no longer ours, are replaced.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import tempfile
from pathlib import Path

from luigi_tasks.gateways.embedded_postgres_files import EmbeddedPostgresError, Files, read, write

# sun_path holds 108 bytes with its closing zero; PostgreSQL adds "/.s.PGSQL.<port>".
LONGEST_SOCKET_DIRECTORY = 107 - len("/.s.PGSQL.65535")
# Below Linux's range for outgoing connections (32768-60999), so that none of those takes a port that we keep.
PORTS = range(20000, 32768)


def settle_port(files: Files) -> int:
    """The port to start on: the one kept, or a new one (then kept) when there is none or it is taken."""
    kept = read(files.port)
    if kept and kept.isdecimal() and port_is_free(int(kept)):
        return int(kept)
    for _ in range(100):
        port = secrets.choice(PORTS)
        if port_is_free(port):
            write(files.port, str(port))
            return port
    raise EmbeddedPostgresError(
        f"no free port found between {PORTS.start} and {PORTS.stop - 1}",
        where="127.0.0.1",
        mend="End some of the programs that listen there (ss -ltnp shows them).",
    )


def port_is_free(port: int) -> bool:
    """Whether PostgreSQL, which sets SO_REUSEADDR as well, could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def settle_socket_directory(files: Files) -> Path:
    """A 0700 folder for the socket, short enough for its address; a short one elsewhere is remembered."""
    folder = files.socket_directory
    if folder.parent == files.root:
        if len(os.fsencode(folder)) > LONGEST_SOCKET_DIRECTORY:
            return _short_socket_directory(files)
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)
        return folder
    return folder if _is_private(folder, files.root.stat().st_uid) else _short_socket_directory(files)


def _is_private(folder: Path, owner: int) -> bool:
    """Whether a folder that lay where others may write is still ours alone."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    found = folder.stat()
    return found.st_uid == owner and not found.st_mode & 0o77


def _short_socket_directory(files: Files) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="draenei-"))
    if len(os.fsencode(folder)) > LONGEST_SOCKET_DIRECTORY:
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="draenei-", dir="/tmp"))
    shutil.chown(folder, files.root.stat().st_uid, files.root.stat().st_gid)
    write(files.root / "socket_directory", str(folder))
    return folder
