"""python -m luigi_tasks VERB: what stands around a run. The run itself is `luigi --module luigi_tasks Collect`."""

from __future__ import annotations

import importlib
import sys

import click

from luigi_tasks.domain.errors import AlreadyRunning, PipelineError

VERBS = {
    "up": ("server", "Start the embedded database (and with --scheduler luigid); migrate."),
    "down": ("server", "Stop luigid and the embedded database."),
    "env": ("server", "Print export lines so that psql and dbt reach the warehouse."),
    "doctor": ("doctor", "Check everything a run needs; each line is ok, or the command that mends it."),
    "plan": ("plan", "Say what a run would do; writes nothing."),
    "status": ("status", "Recent runs, the collection, what is pending."),
    "retry": ("retry", "Let the next run try again what was given up."),
    "replay": ("replay", "Rebuild the tables from the raw zone, or say what a rebuild would change."),
    "quarantine": ("quarantine", "Bad records: list, show, and drive again what passes by now."),
    "explain": ("explain", "Where a wallpaper comes from: object, attempts, record, page, request, run."),
    "gallery": ("gallery", "Write the static gallery of everything that is stored; --upload brings it to the bucket."),
    "fsck": ("fsck", "Compare database and bucket, both ways; --repair mends."),
    "takedown": ("takedown", "Remove a picture for good and keep it out."),
    "report": ("report", "Write the report of a run and the overview by hand; --docs: dbt's too."),
    "notify": ("notify", "Send the digest of a run by hand, to see whether it arrives."),
    "erase": ("erase", "Erase a person from a source for good, the raw zone included."),
    "redshift": ("redshift", "Print the SQL that fills a Redshift warehouse from the lake."),
    "config": ("config", "Every setting, its value and where it comes from; secrets masked."),
}

ALREADY_RUNNING = 10
EXAMPLES = """\b
Examples:
  python -m luigi_tasks up --scheduler          # database and luigid, then http://127.0.0.1:8082
  luigi --module luigi_tasks Collect            # collect
  python -m luigi_tasks status                  # what there is
  eval "$(python -m luigi_tasks env)"; psql     # look for yourself
"""


class Verbs(click.Group):
    """Names and one-line helps are known here, so that --help imports no verb."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which a newcomer meets them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb; imports its module."""
        if cmd_name not in VERBS:
            return None
        command = getattr(importlib.import_module(f"luigi_tasks.verbs.{VERBS[cmd_name][0]}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table of verbs."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, text) for name, (_, text) in VERBS.items()])


@click.group(cls=Verbs, help=__doc__, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-v", "--verbose", is_flag=True, help="Show the traceback of an error.")
def main(verbose: bool) -> None:
    """Run a verb."""


def run(argv: list[str]) -> None:
    """Run a verb and exit; an error that explains itself is one line and exit code 1, with -v a traceback.

    10, as of the luigi command, when a Collect holds what the verb needs alone.
    """
    try:
        main.main(argv, prog_name="python -m luigi_tasks")
    except PipelineError as problem:
        if {"-v", "--verbose"} & set(argv):
            raise
        click.echo(f"error: {problem}", err=True)
        sys.exit(ALREADY_RUNNING if isinstance(problem, AlreadyRunning) else 1)


if __name__ == "__main__":
    run(sys.argv[1:])
