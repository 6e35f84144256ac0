"""A zip of unknown intent: its files one at a time, never more of one than it says, nothing unpacked to disk."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from luigi_tasks.domain.archive import Entry
from luigi_tasks.domain.errors import SourceError

ENCRYPTED = 0x1


class CorruptEntry(Exception):
    """One entry does not unpack to what the archive says of it."""


class Archive:
    """An open zip; a context manager. max_entries, max_bytes: of all entries, unpacked.

    Raises SourceError when it is none, or more than that.
    """

    def __init__(self, path: Path, max_entries: int, max_bytes: int) -> None:
        self._path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as problem:
            raise SourceError(
                f"no archive that can be read: {problem}", where=str(path), mend="Fetch it anew."
            ) from None
        files = [info for info in self._zip.infolist() if not info.is_dir()]
        whole = sum(info.file_size for info in files)
        if len(files) > max_entries or whole > max_bytes:
            self._zip.close()
            raise SourceError(
                f"the archive has {len(files)} files of {whole} bytes, over KAGGLE_MAX_ENTRIES or KAGGLE_MAX_BYTES",
                where=str(path),
                mend="Raise them if you trust it.",
            )
        self._infos = {info.filename: info for info in reversed(files)}  # of two with one name the first counts

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    @property
    def names(self) -> list[str]:
        """Every file, sorted."""
        return sorted(self._infos)

    def entries(self, prefix: str) -> Iterator[Entry]:
        """The files whose names start so, sorted."""
        for name in self.names:
            if name.startswith(prefix):
                yield self.entry(name)

    def entry(self, name: str) -> Entry:
        """What the central directory says of a file."""
        info = self._infos[name]
        encrypted = bool(info.flag_bits & ENCRYPTED)
        return Entry(name, info.file_size, info.compress_size, info.CRC, encrypted, info.external_attr >> 16)

    def read(self, entry: Entry) -> bytes:
        """The file's bytes, at most as many as the directory says. Raises CorruptEntry."""
        try:
            with self._zip.open(self._infos[entry.name]) as file:
                body = file.read(entry.size + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as problem:
            raise CorruptEntry(f"does not unpack: {problem or type(problem).__name__}") from None
        if len(body) != entry.size:
            raise CorruptEntry(f"unpacks to {len(body)} bytes, the directory says {entry.size}")
        return body


def sha256_of(path: Path) -> str:
    """Of a file, read in pieces. Raises SourceError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as problem:
        raise SourceError(
            f"cannot read the archive: {problem.strerror}", where=str(path), mend="Check --archive."
        ) from None
