"""The thumbnails of a gallery whose objects are in a bucket: fetched side by side, for a bucket is far away."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

from luigi_tasks.gateways.folder_store import FolderStore
from luigi_tasks.steps.gallery import _copy_thumbnails

TOGETHER = 4
KEYS = [f"derivatives/{number:02}.webp" for number in range(3 * TOGETHER)]


class Distant(FolderStore):
    """Answers only when so many are asked for at once."""

    gate = threading.Barrier(TOGETHER, timeout=20)

    def get(self, key: str) -> bytes:
        self.gate.wait()
        return super().get(key)


def test_thumbnails_are_fetched_side_by_side_and_a_missing_one_is_left_out(tmp_path: Path) -> None:
    store, folder = Distant(tmp_path / "objects"), tmp_path / "gallery"
    for key in KEYS[1:]:
        body = key.encode()
        digest = hashlib.sha256(body).hexdigest()
        store.put_if_absent(key, body, content_type="image/webp", sha256=digest, metadata={})
    (folder / "derivatives").mkdir(parents=True)
    (folder / "derivatives/of-before.webp").write_bytes(b"")
    _copy_thumbnails(store, [*KEYS, "wallpapers/no-copy.jpg"], folder)
    there = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}
    assert there == {key: key.encode() for key in KEYS[1:]}
