"""One process of the pipeline for the campaign: python -m tests.prove.child SCOPE RUN_ID, settings in the environment.

A scope is the smallest real process that passes a crash point: the tasks, steps and verbs themselves, with their lock,
signals and exit codes. Only `model` and `whole` start dbt. Exit code 0: what was asked for is complete.
"""

from __future__ import annotations

import datetime
import os
import sys
from collections.abc import Callable
from pathlib import Path

from luigi_tasks import settings
from luigi_tasks.domain.errors import PipelineError, SettingsError
from luigi_tasks.domain.progress import Silent
from luigi_tasks.domain.run import RUN_ID_FORMAT
from luigi_tasks.gateways import embedded_postgres
from luigi_tasks.gateways.objects import open_store
from luigi_tasks.sources import contract
from luigi_tasks.steps import model, session
from tests.prove import lines

SOURCE = "wallhaven"
WRONG_PURITY = "wild"
TASK_FAILED = 30


def tasks(*names: str, then: str = "") -> Callable[[datetime.datetime], int]:
    """Run tasks as `luigi` does: lock, signals, run opened and settled; then one more, its own work only."""

    def run(minute: datetime.datetime) -> int:
        import luigi
        from luigi.interface import PidLockAlreadyTakenExit

        from luigi_tasks import pipeline

        wanted = [getattr(pipeline, name)(run_id=minute) for name in names]
        try:
            pipeline.hold(settings.load(), wanted[0].collected_run)
        except PidLockAlreadyTakenExit:
            return 10
        done = luigi.build(wanted, local_scheduler=True, workers=1, log_level="WARNING")
        if done and then:
            last = getattr(pipeline, then)(run_id=minute)
            if not last.complete():
                last.run()
        return 0 if done else TASK_FAILED

    return run


def crew(minute: datetime.datetime) -> int:
    """Publish beside another process of the same run, as a second machine might."""
    from luigi_tasks.pipeline import Publish
    from luigi_tasks.steps import publish

    run = Publish(run_id=minute).collected_run
    publish.publish(settings.load(), run.key, open_store(settings.load()), Silent())
    return 0


def refresh(minute: datetime.datetime) -> int:
    """All models of the source anew, from all that was loaded."""
    from luigi_tasks.pipeline import Model

    run = Model(run_id=minute).collected_run
    model.build(settings.load(), run.key, "Refresh", Silent(), model.selection(SOURCE), from_the_start=True)
    return 0


def replay(minute: datetime.datetime) -> int:
    """The raw zone into a warehouse that has nothing, without the models; one that is filled is left alone."""
    from luigi_tasks.steps import replay as steps

    _without_dbt()
    try:
        steps.replay(settings.load(), SOURCE, open_store(settings.load()), Silent())
    except SettingsError as problem:
        if "loads of" not in problem.what:
            raise
    return 0


def redrive(minute: datetime.datetime) -> int:
    """Quarantined records again, by a schema that takes them."""
    from luigi_tasks.steps import redrive as steps

    _without_dbt()
    _loosen_the_schema(settings.load().draenei_home / "schemas")
    steps.redrive(settings.load(), SOURCE, open_store(settings.load()), Silent())
    return 0


def retry(minute: datetime.datetime) -> int:
    """The verb."""
    from luigi_tasks.verbs.retry import retry as verb

    verb.main([], standalone_mode=False)
    return 0


def repair(minute: datetime.datetime) -> int:
    """The verb, with --repair."""
    from luigi_tasks.verbs.fsck import fsck as verb

    try:
        verb.main(["--deep", "--repair"], standalone_mode=False)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def takedown(minute: datetime.datetime) -> int:
    """The verb, for the wallpaper that the environment names."""
    from luigi_tasks.verbs.takedown import takedown as verb

    verb.main(["add", os.environ["PROVE_TARGET"], "--reason", "asked for", "--yes"], standalone_mode=False)
    return 0


def migrate(minute: datetime.datetime) -> int:
    """A warehouse that is up to date."""
    session.open_warehouse(settings.load())
    return 0


def postgres(minute: datetime.datetime) -> int:
    """The embedded server: initialised, started, migrated, stopped."""
    session.open_warehouse(settings.load())
    embedded_postgres.stop(settings.load().draenei_home)
    return 0


SCOPES: dict[str, Callable[[datetime.datetime], int]] = {
    "load": tasks("Load"),
    "model": tasks("Model"),
    "publish": tasks("Publish", "Derive", "LoadDetails", then="Report"),
    "publish2": tasks("Publish", "Derive", "LoadDetails", then="Report"),
    "told": tasks("Publish", "Derive", "LoadDetails", then="Report"),
    "abandoned": tasks("Publish", "Derive", "LoadDetails", then="Report"),
    "later": tasks("Publish", "Derive", "LoadDetails", then="Report"),
    "crew": crew,
    "refresh": refresh,
    "replay": replay,
    "redrive": redrive,
    "retry": retry,
    "repair": repair,
    "takedown": takedown,
    "migrate": migrate,
    "postgres": postgres,
}


def _without_dbt() -> None:
    model.build = lambda *_, **__: {}


def _loosen_the_schema(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for file in contract.SCHEMAS.glob("*.json"):
        (folder / file.name).write_text(file.read_text().replace('"sketchy"', f'"sketchy", "{WRONG_PURITY}"'))
    contract.SCHEMAS = folder


def main() -> int:
    """The scope's exit code; a problem with words of its own is one line."""
    scope, run_id = sys.argv[1:3]
    lines.arm()
    try:
        return SCOPES[scope](datetime.datetime.strptime(run_id, RUN_ID_FORMAT))
    except PipelineError as problem:
        sys.stderr.write(f"{problem}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
