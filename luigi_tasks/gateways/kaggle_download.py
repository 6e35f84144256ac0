"""One archive from Kaggle's HTTP API into a file: resumed where it stopped, checked when it is whole.

https://www.kaggle.com/docs/api: GET /datasets/download/{owner}/{name} with HTTP Basic answers with a redirect to a file
host, whose answers know ranges, an ETag and `x-goog-hash`. The credential goes to the API's host and nowhere else.

{folder}/{owner}--{name}.zip       the whole archive      .zip.json  the ETag under which it came
{folder}/{owner}--{name}.zip.part  what came of it        .part.json the ETag of which it is a part
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from luigi_tasks.domain.errors import SourceError, SourceRefused, SourceThrottled, SourceUnreachable
from luigi_tasks.domain.progress import Progress
from luigi_tasks.settings import Settings

PIECE = 1 << 20
READ_SECONDS = 30.0
HOW_TO_BE_LET_IN = (
    "Set KAGGLE_USERNAME and KAGGLE_KEY, or save kaggle.json from kaggle.com/settings; is the dataset's name right?"
)
LATER = "Run the same command later: it goes on where it stopped."


def credential(settings: Settings) -> tuple[str, str] | None:
    """User name and key: the settings', else those of kaggle.json; None when there are none. Raises SourceRefused."""
    if settings.kaggle_username and settings.kaggle_key:
        return settings.kaggle_username, settings.kaggle_key.get_secret_value()
    path = settings.kaggle_config_dir.expanduser() / "kaggle.json"
    try:
        said = json.loads(path.read_text())
        return str(said["username"]), str(said["key"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise SourceRefused("the token file cannot be read", where=str(path), mend=HOW_TO_BE_LET_IN) from None


class Download:
    """One attempt after another at one dataset's archive."""

    def __init__(self, settings: Settings, dataset: str, folder: Path, progress: Progress) -> None:
        self._settings, self._dataset, self._progress = settings, dataset, progress
        self.path = folder / f"{dataset.replace('/', '--')}.zip"
        self._part = self.path.with_suffix(".zip.part")
        self._session = requests.Session()
        self._session.trust_env = False  # no ~/.netrc
        folder.mkdir(parents=True, exist_ok=True)

    def attempt(self) -> Path:
        """The whole archive; what is here already under the same ETag is not asked for again.

        Raises SourceUnreachable for what another attempt may mend, SourceRefused, SourceThrottled or SourceError.
        """
        try:
            with self._session:
                return self._fetch(self._file_address())
        except (requests.RequestException, urllib3.exceptions.HTTPError) as problem:
            raise SourceUnreachable(
                f"no whole answer: {type(problem).__name__}", where=self._settings.kaggle_api_url, mend=LATER
            ) from None

    def _file_address(self) -> str:
        url = f"{self._settings.kaggle_api_url}/datasets/download/{self._dataset}"
        known = credential(self._settings)
        with self._session.get(url, auth=known, allow_redirects=False, stream=True, timeout=READ_SECONDS) as answer:
            if answer.is_redirect:
                return self._checked(urljoin(url, answer.headers["location"]))
            _refuse(answer, url)
        raise SourceError("the API did not name a file", where=url, mend=LATER)

    def _checked(self, address: str) -> str:
        """The file's address, when it is of a host that may serve it."""
        parts = urlsplit(address)
        allowed = {host.lower() for host in self._settings.kaggle_file_hosts}
        secure = parts.scheme == "https" or parts.hostname in {"127.0.0.1", "localhost"}
        if parts.netloc.lower() not in allowed or not secure:
            raise SourceError(
                f"the API sends us to {parts.scheme}://{parts.netloc}",
                where=self._settings.kaggle_api_url,
                mend="If that is right, add it to KAGGLE_FILE_HOSTS.",
            )
        return address

    def _fetch(self, address: str) -> Path:
        headers = {"Accept-Encoding": "identity"}
        whole, part = _etag(self.path), _etag(self._part)
        have = self._part.stat().st_size if part and self._part.exists() else 0
        if whole and self.path.exists():
            headers["If-None-Match"] = whole
        elif part and have:
            headers |= {"Range": f"bytes={have}-", "If-Range": part}
        with self._session.get(
            address, headers=headers, allow_redirects=False, stream=True, timeout=READ_SECONDS
        ) as answer:
            if answer.status_code == 304:
                return self.path
            if answer.status_code not in {200, 206}:
                _refuse(answer, address)
            start = have if answer.status_code == 206 else 0
            self._receive(answer, start)
            return self._finish(answer, address)

    def _receive(self, answer: requests.Response, start: int) -> None:
        size = start + int(answer.headers.get("content-length", 0))
        if size > self._settings.kaggle_max_bytes:
            raise SourceError(f"{size} bytes, KAGGLE_MAX_BYTES allows less", mend="Raise it if you trust it.")
        _note(self._part, answer.headers.get("etag", ""))
        mark, since = start, time.monotonic()
        with self._part.open("r+b" if start else "wb") as file:
            file.truncate(start)
            file.seek(start)
            while piece := answer.raw.read(PIECE):
                file.write(piece)
                if file.tell() > size:
                    raise SourceError("more bytes than were announced", where=urlsplit(answer.url).netloc, mend=LATER)
                self._progress.update(0, 0, bytes_done=file.tell(), note=f"{file.tell() * 100 // size} %")
                if time.monotonic() - since > self._settings.http_timeout_seconds:
                    if file.tell() - mark < PIECE:
                        raise SourceUnreachable("the file host hardly sends anything", mend=LATER)
                    mark, since = file.tell(), time.monotonic()
            if file.tell() != size:
                raise SourceUnreachable(f"cut short: {file.tell()} of {size} bytes", mend=LATER)

    def _finish(self, answer: requests.Response, address: str) -> Path:
        announced = _md5_said(answer.headers)
        with self._part.open("rb") as file:
            found = base64.b64encode(hashlib.file_digest(file, "md5").digest()).decode()
        if announced and found != announced:
            self._part.unlink()
            raise SourceUnreachable("the archive is not what its checksum says", where=urlsplit(address).netloc)
        _note(self.path, answer.headers.get("etag", ""))
        self._part.replace(self.path)
        return self.path


def _refuse(answer: requests.Response, url: str) -> None:
    status, where = answer.status_code, urlsplit(url)._replace(query="").geturl()
    if status in {401, 403, 404}:
        raise SourceRefused(f"{status} from Kaggle", where=where, mend=HOW_TO_BE_LET_IN)
    if status == 429:
        raise SourceThrottled("429: too many requests", where=where, mend=LATER)
    if status >= 500:
        raise SourceUnreachable(f"{status} from Kaggle", where=where, mend=LATER)
    raise SourceError(f"{status}, which is no answer to this request", where=where, mend=LATER)


def _md5_said(headers: Mapping[str, str]) -> str:
    said = [part.strip() for part in headers.get("x-goog-hash", "").split(",")]
    return next((part.removeprefix("md5=") for part in said if part.startswith("md5=")), "")


def _etag(path: Path) -> str:
    try:
        return str(json.loads(path.with_name(f"{path.name}.json").read_text())["etag"])
    except (OSError, ValueError, KeyError):
        return ""


def _note(path: Path, etag: str) -> None:
    path.with_name(f"{path.name}.json").write_text(json.dumps({"etag": etag}))
