"""fsck: does the bucket hold what the database says, and the other way round?"""

from __future__ import annotations

import contextlib
import datetime
import json
import re
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

import click

from luigi_tasks import settings
from luigi_tasks.domain.damage import Checked, Part, Repair
from luigi_tasks.domain.errors import PipelineError
from luigi_tasks.domain.progress import human_bytes, human_seconds

if TYPE_CHECKING:
    from luigi_tasks.settings import Settings

SHOWN = 50
COMMAND = "python -m luigi_tasks fsck"


def part_of(text: str) -> Part:
    """'2/7' as a Part. Raises click.BadParameter."""
    found = re.fullmatch(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,5})", text)
    if not found or int(found[1]) > int(found[2]):
        raise click.BadParameter(f"{text!r} is not like 2/7", param_hint="--part")
    return Part(int(found[1]), int(found[2]))


@click.command(
    help="Compare database and bucket, both ways. Exit code 0: clean, or everything was repaired; 1: there is damage."
    " Changes nothing without --repair, and deletes nothing with it; what it left is kept for the alerts (ops.audits)."
)
@click.option(
    "--quick/--deep", default=True, help="Rows against a listing with sizes; or read and hash every byte too."
)
@click.option("--part", default="1/1", show_default=True, help="N/T: only the N-th of T shares, always the same ones.")
@click.option(
    "--repair", "mend", is_flag=True, help="Restore from a twin of the same hash, else re-open; move strays aside."
)
@click.option("--force", is_flag=True, help="Repair although most objects are missing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object with every finding.")
@click.option("--give-up", is_flag=True, help="Repair: give up raw pages whose source cannot be asked now.")
def fsck(quick: bool, part: str, mend: bool, force: bool, as_json: bool, give_up: bool) -> None:
    """Check, repair when asked, say what was found and what to type."""
    from luigi_tasks.gateways.objects import open_store
    from luigi_tasks.gateways.terminal import progress_for
    from luigi_tasks.steps import fsck as steps

    own, share, begun = settings.load(), part_of(part), time.monotonic()
    store = open_store(own)
    with contextlib.ExitStack() as stack:
        if mend:
            _alone(own, stack)
        progress = progress_for(own.draenei_progress, "fsck", "objects")
        checked = steps.fsck(own, store, share, deep=not quick, progress=progress)
        repairs = _repair(own, checked, force, give_up) if mend else []
        _keep(own, share, checked, repairs if mend else None, deep=not quick)
    facts: dict[str, object] = {
        "mode": "quick" if quick else "deep",
        "part": part,
        "seconds": round(time.monotonic() - begun, 1),
    }
    _say(checked, repairs, facts, as_json, COMMAND + _again(quick, part))
    sys.exit(1 if _left(checked, repairs, mend) else 0)


def _alone(own: Settings, stack: contextlib.ExitStack) -> None:
    """Hold every source's lock, or none: what is repaired may be of any."""
    from luigi_tasks.gateways import pipeline_lock
    from luigi_tasks.sources import CATALOGUE

    for source in CATALOGUE:
        stack.enter_context(contextlib.closing(pipeline_lock.take(own, source)))


def _repair(own: Settings, checked: Checked, force: bool, give_up: bool) -> list[Repair]:
    from luigi_tasks.gateways.objects import open_store
    from luigi_tasks.gateways.terminal import progress_for
    from luigi_tasks.steps.refetch import Refetcher
    from luigi_tasks.steps.repair import Repairer, refuse_mass_repair

    if not force:
        refuse_mass_repair(checked)
    store = open_store(own)
    now = datetime.datetime.now(datetime.UTC)
    repairer = Repairer(own, store, now, Refetcher(own).ask, give_up=give_up)
    return repairer.repair(checked, progress_for(own.draenei_progress, "repair", "findings"))


def _keep(own: Settings, share: Part, checked: Checked, repairs: list[Repair] | None, *, deep: bool) -> None:
    """For the alerts; what is not told is a line on stderr, the findings are what they are."""
    from luigi_tasks.steps import audit

    try:
        audit.enter(own, audit.ALL, share, checked, repairs, deep=deep)
    except PipelineError as problem:
        click.echo(problem, err=True)


def _again(quick: bool, part: str) -> str:
    return ("" if quick else " --deep") + ("" if part == "1/1" else f" --part {part}")


def _left(checked: Checked, repairs: list[Repair], mend: bool) -> int:
    return sum(repair.action == "left" for repair in repairs) if mend else len(checked.findings)


def _say(checked: Checked, repairs: list[Repair], facts: dict[str, object], as_json: bool, command: str) -> None:
    numbers = {
        name: getattr(checked, name)
        for name in ("objects", "rows", "pages", "files", "bytes_read", "unfinished", "lost_pages")
    }
    following = _next(checked, repairs, command)
    if as_json:
        findings = [finding.as_dict() for finding in checked.findings]
        done = [repair.as_dict() for repair in repairs]
        say = {**facts, **numbers, "counts": checked.counts(), "findings": findings, "repairs": done, "next": following}
        click.echo(json.dumps(say))
        return
    for finding in checked.findings[:SHOWN]:
        click.echo(f"{finding.damage:<24} {finding.key}  {finding.detail}")
    if len(checked.findings) > SHOWN:
        click.echo(f"… and {len(checked.findings) - SHOWN} more: --json lists them all")
    for repair in repairs[:SHOWN]:
        click.echo(f"{repair.action:<24} {repair.key}  {repair.detail}")
    for line in _summary(checked, facts):
        click.echo(line)
    click.echo(f"next      {following}")


def _summary(checked: Checked, facts: dict[str, object]) -> list[str]:
    took = human_seconds(float(str(facts["seconds"])))
    read = f", {human_bytes(checked.bytes_read)} read" if checked.bytes_read else ""
    share = "" if facts["part"] == "1/1" else f" part {facts['part']}"
    counts = ", ".join(f"{name} {number}" for name, number in checked.counts().items())
    lines = [
        f"looked at {checked.rows} pictures, {checked.pages} raw pages, {checked.files} files of datasets,"
        f" {checked.objects} objects{read} in {took}"
        f" ({facts['mode']}{share})",
        f"damage    {counts or 'none'}",
    ]
    if checked.unfinished:
        lines.append(f"open      {checked.unfinished} puts of killed runs; the next Collect takes them up")
    if checked.lost_pages:
        lines.append(f"given up  {checked.lost_pages} raw pages whose bytes are lost")
    return lines


def _next(checked: Checked, repairs: list[Repair], command: str) -> str:
    actions = Counter(repair.action for repair in repairs)
    if actions["left"]:
        return "see what each line that was left says"
    if actions["reopened"]:
        return f"luigi --module luigi_tasks Collect, then: {command}"
    if repairs or not checked.findings:
        return "nothing to mend" if not repairs else command
    return f"{command} --repair"
