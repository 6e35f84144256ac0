"""redshift: the SQL that fills a Redshift warehouse from the lake."""

from __future__ import annotations

import click

from luigi_tasks.domain.errors import SettingsError
from luigi_tasks.gateways import redshift_copy


@click.command(
    help="Print the SQL that fills a Redshift warehouse with what the sales models read: tables, then a COPY each"
    " from FOLDER/{table}/, JSON lines, gzipped. Asks nothing, writes nothing.\n\n"
    "\b\nExample:\n  python -m luigi_tasks redshift s3://lake/redshift \\\n"
    "    --role arn:aws:iam::123456789012:role/reads-the-lake --region eu-central-1 > copy.sql"
)
@click.argument("folder")
@click.option("--role", required=True, metavar="ARN", help="The IAM role that Redshift reads the bucket with.")
@click.option("--region", required=True, help="Where the bucket is, such as eu-central-1.")
def redshift(folder: str, role: str, region: str) -> None:
    """Print the statements."""
    try:
        copies = redshift_copy.copy_tables(folder.rstrip("/"), role, region)
    except ValueError as problem:
        raise SettingsError(str(problem), mend="See `python -m luigi_tasks redshift --help`.") from None
    for statement in (*redshift_copy.create_tables(), *copies):
        click.echo(f"{statement};")
