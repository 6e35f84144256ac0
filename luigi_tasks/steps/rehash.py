"""Reads many objects at once, bounded by UPLOAD_CONCURRENCY and UPLOAD_MEMORY_BYTES, for fsck's deep look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from luigi_tasks.domain.damage import Checked
from luigi_tasks.domain.errors import StoreError
from luigi_tasks.domain.progress import Progress
from luigi_tasks.gateways.objects import ObjectHead, ObjectMissing, ObjectStore, StoreUnavailable
from luigi_tasks.settings import Settings
from luigi_tasks.steps.flow import WeightGate

Judge = Callable[[ObjectHead, bytes | StoreError], None]
PER_TASK = 64


class Reader:
    """Hands the bytes of objects to a judge, one at a time."""

    def __init__(self, settings: Settings, store: ObjectStore, checked: Checked, progress: Progress) -> None:
        self._store, self._checked, self._progress = store, checked, progress
        self._room = WeightGate(settings.upload_memory_bytes)
        self._hands = settings.upload_concurrency

    def read(self, heads: Sequence[ObjectHead], judge: Judge) -> None:
        """judge(head, its bytes, or the error when the store does not give them), from any thread, in any order.

        Raises StoreUnavailable when the store fails as a whole: that is no damage.
        """
        done = 0
        with ThreadPoolExecutor(self._hands, thread_name_prefix="fsck") as pool:
            for start in range(0, len(heads), PER_TASK):
                for size in pool.map(lambda head: self._one(head, judge), heads[start : start + PER_TASK]):
                    done += 1
                    self._checked.bytes_read += size
                    self._progress.update(done, len(heads), bytes_done=self._checked.bytes_read)

    def _one(self, head: ObjectHead, judge: Judge) -> int:
        with self._room.hold(head.size):
            try:
                body = self._store.get(head.key)
            except ObjectMissing:
                return 0  # moved or taken down since it was listed
            except StoreUnavailable:
                raise
            except StoreError as problem:
                judge(head, problem)
                return 0
            judge(head, body)
            return len(body)
