"""A store whose process is killed in the middle of its work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from luigi_tasks.domain.errors import StoreError
from luigi_tasks.gateways.folder_store import FolderStore
from luigi_tasks.gateways.objects import Put


class Dying(FolderStore):
    """The folder of a process that is killed after so many puts."""

    def __init__(self, root: Path, left: int) -> None:
        super().__init__(root)
        self.left = left

    def put_if_absent(self, *arguments: Any, **facts: Any) -> Put:
        self.left -= 1
        if self.left < 0:
            raise StoreError("killed", where="", mend="")
        return super().put_if_absent(*arguments, **facts)
