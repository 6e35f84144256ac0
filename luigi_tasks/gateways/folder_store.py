"""Objects in a folder: created whole and durable or not at all, by temporary file, fsync and link.

{root}/{key}                        the bytes
{root}/.meta/{key}/{sha256}.json    content type and metadata of those bytes; written before the object appears,
                                    and named by them, so that a writer who loses the race describes only his own
{root}/.tmp/                        bytes being written; each file is locked by its living writer
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import mimetypes
import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

from luigi_tasks.domain.errors import StoreError
from luigi_tasks.domain.faults import crash_point
from luigi_tasks.domain.publishing import Body
from luigi_tasks.gateways.objects import (
    PROBE_PREFIX,
    ChecksumRefused,
    ObjectHead,
    ObjectMissing,
    Put,
    checked_key,
)


class FolderStore:
    """An ObjectStore on a local file system that has hard links. Any number of processes may share the folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._temporary = root / ".tmp"
        self._meta = root / ".meta"

    def put_if_absent(
        self, key: str, body: Body, *, content_type: str, sha256: str, metadata: Mapping[str, str]
    ) -> Put:
        created = self.create(key, body, content_type=content_type, sha256=sha256, metadata=metadata)
        with self._telling(key):
            return Put(created=created, sha256=sha256 if created else _hash_of(self.root / key))

    def create(self, key: str, body: Body, *, content_type: str, sha256: str, metadata: Mapping[str, str]) -> bool:
        target = self.root / checked_key(key)
        with self._telling(key):
            if target.exists():
                _sync_directory(target.parent)  # its writer may have been killed just before
                return False
            if hashlib.sha256(body).hexdigest() != sha256:
                raise ChecksumRefused(f"put {key}: the bytes are not those of the checksum", where=str(self.root))
            sidecar = self._meta / key / f"{sha256}.json"
            crash_point("folder.sidecar.before")
            self._write_sidecar(sidecar, content_type, metadata)
            crash_point("folder.sidecar.after")
            target.parent.mkdir(parents=True, exist_ok=True)
            crash_point("folder.object.before")
            if self._create(target, body):
                crash_point("folder.object.after")
                return True
            if _hash_of(target) != sha256:
                sidecar.unlink(missing_ok=True)
            return False

    def replace(self, key: str, body: Body, *, content_type: str, sha256: str, metadata: Mapping[str, str]) -> None:
        raise StoreError("a folder replaces nothing", where=self.uri(key), mend="Report it: it creates by itself.")

    def get(self, key: str) -> bytes:
        with self._telling(key):
            try:
                return (self.root / checked_key(key)).read_bytes()
            except FileNotFoundError:
                raise ObjectMissing("there is no such object", where=self.uri(key)) from None

    def head(self, key: str) -> ObjectHead | None:
        path = self.root / checked_key(key)
        with self._telling(key):
            if not path.is_file():
                return None
            size, sidecar = path.stat().st_size, self._sidecar_of(key)
            if sidecar is None:
                return ObjectHead(key, size, mimetypes.guess_type(key)[0])
            said = json.loads(sidecar.read_text())
            return ObjectHead(key, size, said["content_type"], sidecar.stem, said["metadata"])

    def list(self, prefix: str) -> Iterator[ObjectHead]:
        folder = prefix.rpartition("/")[0]
        start = self.root / checked_key(folder) if folder else self.root
        with self._telling(prefix):
            found = {path.relative_to(self.root).as_posix(): path.stat().st_size for path in _visible_files(start)}
        yield from (ObjectHead(key, found[key]) for key in sorted(found) if key.startswith(prefix))

    def remove(self, key: str) -> None:
        target = self.root / checked_key(key)
        with self._telling(key):
            if target.exists():
                crash_point("folder.remove.before")
                target.unlink()
                crash_point("folder.remove.after")
                # Beside this a probe removes its other objects, and with the last of them the folder.
                with contextlib.suppress(*((FileNotFoundError,) if key.startswith(PROBE_PREFIX) else ())):
                    _sync_directory(target.parent)
                for sidecar in (self._meta / key).glob("*.json"):
                    sidecar.unlink(missing_ok=True)
        if key.startswith(PROBE_PREFIX):
            self._remove_folders_of_probe(key)

    def remove_versions(self, key: str) -> bool:
        """A folder keeps none."""
        return True

    def leftovers(self) -> Iterator[str]:
        with self._telling(""):
            files = sorted(self._temporary.iterdir()) if self._temporary.is_dir() else []
        yield from (f".tmp/{path.name}" for path in files if not _is_being_written(path))

    def uri(self, key: str) -> str:
        return (self.root / key).absolute().as_uri()

    def check(self) -> None:
        """Write, sync and remove one temporary file; remove the temporary files of writers that are dead."""
        with self._telling(""):
            with self._temporary_file() as (descriptor, _):
                os.write(descriptor, b"can we write here?")
                os.fsync(descriptor)
            for leftover in self._temporary.iterdir():
                _remove_if_dead(leftover)

    def _remove_folders_of_probe(self, key: str) -> None:
        sidecars = self._meta / key
        for folder in (sidecars, sidecars.parent, (self.root / key).parent, self._meta / "probe", self.root / "probe"):
            with contextlib.suppress(OSError):  # not empty yet, or another probe is in it
                folder.rmdir()

    def _create(self, target: Path, body: Body) -> bool:
        """True when target is now body; False when another was faster."""
        with self._temporary_file() as (descriptor, temporary):
            _write_all(descriptor, body)
            os.fsync(descriptor)
            try:
                os.link(temporary, target)
            except FileExistsError:
                return False
        _sync_directory(target.parent)
        return True

    def _write_sidecar(self, sidecar: Path, content_type: str, metadata: Mapping[str, str]) -> None:
        text = json.dumps({"content_type": content_type, "metadata": dict(metadata)}, sort_keys=True)
        sidecar.parent.mkdir(parents=True, exist_ok=True)
        self._create(sidecar, text.encode())

    def _sidecar_of(self, key: str) -> Path | None:
        """The sidecar of the bytes that are there; only a killed writer of other bytes leaves more than one."""
        sidecars = sorted((self._meta / key).glob("*.json"))
        if len(sidecars) == 1:
            return sidecars[0]
        there = _hash_of(self.root / key) if sidecars else ""
        return next((sidecar for sidecar in sidecars if sidecar.stem == there), None)

    @contextlib.contextmanager
    def _temporary_file(self) -> Iterator[tuple[int, Path]]:
        """A new file on the same file system, locked while its writer lives, removed at the end."""
        self._temporary.mkdir(parents=True, exist_ok=True)
        while True:
            path = self._temporary / uuid.uuid4().hex
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:
                break
            os.close(descriptor)  # swept between its creation and its lock
        try:
            yield descriptor, path
        finally:
            path.unlink(missing_ok=True)
            os.close(descriptor)

    @contextlib.contextmanager
    def _telling(self, key: str) -> Iterator[None]:
        try:
            yield
        except OSError as problem:
            raise StoreError(
                f"the object folder failed: {problem.strerror or problem}",
                where=str(problem.filename or self.root / key),
                mend=f"Check the permissions of {self.root} and the free space there.",
            ) from problem


def _is_being_written(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (FileNotFoundError, BlockingIOError):
        return True
    return False


def _remove_if_dead(leftover: Path) -> None:
    try:
        descriptor = os.open(leftover, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    else:
        leftover.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, body: Body) -> None:
    rest = memoryview(body)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sync_directory(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _visible_files(start: Path) -> Iterator[Path]:
    for directory, folders, files in os.walk(start):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(directory, name) for name in files)
