"""fsck: does the bucket hold what the database says, and does the database know what the bucket holds?

The way of looking shares no code with publishing. It is right beside a run at work: the bucket is listed first and one
moment of the database is read afterwards, and a put is announced (an intent, an open run) before it is made, so every
object of the listing has an owner there; an object that came later is asked for by name before it is called missing.
"""

from __future__ import annotations

from collections.abc import Iterator

from luigi_tasks.domain.damage import OURS, Checked, Damage, Part
from luigi_tasks.domain.progress import Progress
from luigi_tasks.gateways import fsck_ledger, postgres
from luigi_tasks.gateways.objects import ObjectHead, ObjectStore
from luigi_tasks.settings import Settings
from luigi_tasks.steps.fsck_clean import CleanCheck
from luigi_tasks.steps.fsck_derivatives import DerivativeCheck
from luigi_tasks.steps.fsck_files import FileCheck
from luigi_tasks.steps.fsck_pictures import PictureCheck
from luigi_tasks.steps.fsck_raw import RawCheck
from luigi_tasks.steps.rehash import Reader


def fsck(settings: Settings, store: ObjectStore, part: Part, *, deep: bool, progress: Progress) -> Checked:
    """Compare a part of everything; deep: read every byte of it too. Writes nothing. Raises StoreError."""
    checked = Checked()
    heads = {head.key: head for head in _listed(store, part, checked, progress)}
    for name in store.leftovers():
        if part.has(name):
            checked.add(Damage.TEMPORARY_LEFTOVER, name)
    with postgres.transaction(settings, "draenei-collector fsck") as cursor:
        fsck_ledger.freeze_view(cursor)
        claims = fsck_ledger.claims(cursor)
        pictures = PictureCheck(store, part, heads, claims, checked)
        raw = RawCheck(store, part, heads, claims, checked)
        derivatives = DerivativeCheck(store, part, heads, claims, checked)
        files = FileCheck(store, part, heads, claims, checked)
        clean = CleanCheck(store, part, heads, claims, checked)
        for stored in fsck_ledger.stored_rows(cursor):
            pictures.take(stored)
        for page in fsck_ledger.raw_pages(cursor):
            raw.take(page)
        for derivative in fsck_ledger.derivative_rows(cursor):
            derivatives.take(derivative)
        for file in fsck_ledger.file_rows(cursor):
            files.take(file)
        for row in fsck_ledger.clean_rows(cursor):
            clean.take(row)
        clean.judge(cursor)
    pictures.judge()
    raw.judge()
    files.judge()
    if deep:
        reader = Reader(settings, store, checked, progress)
        reader.read(pictures.to_read(), pictures.judge_bytes)
        reader.read(raw.to_read(), raw.judge_bytes)
        reader.read(derivatives.to_read(), derivatives.judge_bytes)
        reader.read(files.to_read(), files.judge_bytes)
        reader.read(clean.to_read(), clean.judge_bytes)
    checked.findings.sort(key=lambda finding: (finding.key, finding.damage))
    return checked


def _listed(store: ObjectStore, part: Part, checked: Checked, progress: Progress) -> Iterator[ObjectHead]:
    for head in store.list(""):
        if not part.has_key(head.key) or (head.key.endswith("/") and not head.size):
            continue  # a key that ends so is the folder that some consoles show
        checked.objects += 1
        progress.update(0, 0, note=f"{checked.objects} objects listed")
        if not head.key.startswith(OURS):
            checked.add(Damage.UNKNOWN_OBJECT, head.key, "the pipeline writes nothing there")
        yield head
