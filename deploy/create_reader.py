"""Creates a login that may only read draenei_content, for dashboards: a one-shot service before Grafana starts.

    READER_PASSWORD=… python deploy/create_reader.py [--login draenei_grafana]

Reaches the warehouse as the pipeline does (PGHOST …). Running it again sets the password anew and changes nothing else.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys

from psycopg2 import Error, sql

from luigi_tasks import settings
from luigi_tasks.domain.errors import PipelineError, SettingsError, WarehouseError
from luigi_tasks.gateways import postgres
from luigi_tasks.gateways.warehouse_roles import READER
from luigi_tasks.settings import Settings

log = logging.getLogger("create_reader")
SLOWEST_QUERY = "30s"


def create(own: Settings, login: str, password: str) -> None:
    """Make the login, or set its password. Raises SettingsError without a password, WarehouseError when refused."""
    if not password:
        raise SettingsError("the reader has no password", where="READER_PASSWORD", mend="Set READER_PASSWORD.")
    names = {"login": sql.Identifier(login), "reader": sql.Identifier(READER), "password": sql.Literal(password)}
    try:
        with postgres.transaction(own, "draenei-collector create_reader", as_owner=True) as cursor:
            cursor.execute("select to_regrole(%s), to_regrole(quote_ident(%s))", (READER, login))
            group, known = cursor.fetchone() or (None, None)
            if not group:
                cursor.execute(sql.SQL("create role {reader} nologin").format(**names))
            verb = sql.SQL("alter" if known else "create")
            cursor.execute(
                sql.SQL("{verb} role {login} login nosuperuser nocreatedb nocreaterole password {password}").format(
                    verb=verb, **names
                )
            )
            cursor.execute(sql.SQL("grant {reader} to {login}").format(**names))
            cursor.execute(sql.SQL("alter role {login} set default_transaction_read_only = on").format(**names))
            cursor.execute(
                sql.SQL("alter role {login} set statement_timeout = {limit}").format(
                    limit=sql.Literal(SLOWEST_QUERY), **names
                )
            )
    except Error as problem:
        raise WarehouseError(
            f"the login {login} was not made: {type(problem).__name__}", mend="May this user create roles?"
        ) from None


def main() -> None:
    """The command; ends with 1 and one line that says why when the login is not there in the end."""
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    log.setLevel(logging.INFO)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--login", default="draenei_grafana")
    login: str = parser.parse_args().login
    try:
        create(settings.load(), login, os.environ.get("READER_PASSWORD", ""))
    except PipelineError as problem:
        sys.exit(f"create_reader: {problem}")
    log.info("%s may read draenei_content", login)


if __name__ == "__main__":
    main()
