"""profiles.yml: how dbt finds the warehouse, for the pipeline's dbt and for dbt by hand."""

from __future__ import annotations

import json
import os
from pathlib import Path

from luigi_tasks.gateways.embedded_postgres import Server
from luigi_tasks.gateways.warehouse_roles import TRANSFORMER

REPOSITORY = Path(__file__).resolve().parents[2]
# libpq tries the hosts in turn and reports each, so dbt's own error message ends in the command that mends it.
WHEN_DOWN = "/the embedded database is down: start it with `python -m luigi_tasks up`"

TEMPLATE = """\
# Written by `python -m luigi_tasks up`; PG* variables stand above it. Holds a password: readable by you alone.
draenei:
  target: warehouse
  outputs:
    warehouse:
      type: postgres
      host: "{{{{ env_var('PGHOST', {host}) }}}}"
      port: "{{{{ env_var('PGPORT', '{port}') | as_number }}}}"
      user: "{{{{ env_var('PGUSER', '{user}') }}}}"
      password: "{{{{ env_var('PGPASSWORD', '{password}') }}}}"
      dbname: "{{{{ env_var('PGDATABASE', '{dbname}') }}}}"
      role: "{{{{ env_var('DRAENEI_DBT_ROLE', '' if env_var('PGHOST', '') else '{role}') }}}}"
      schema: draenei_content
      threads: 4
      connect_timeout: 10
"""


def write_profile(folder: Path, server: Server | None) -> Path:
    """Write folder/profiles.yml, 0600 and all at once; the embedded server's address is what holds without PG*."""
    host = f"{server.host},{WHEN_DOWN}" if server else WHEN_DOWN
    text = TEMPLATE.format(
        host=json.dumps(host).replace('"', "'"),
        port=server.port if server else 5432,
        user=server.user if server else "draenei",
        password=server.password if server else "",
        dbname=server.dbname if server else "draenei",
        role=TRANSFORMER if server else "",  # elsewhere the role may not exist
    )
    folder.mkdir(parents=True, exist_ok=True)
    path, temporary = folder / "profiles.yml", folder / f".profiles.yml.{os.getpid()}"
    if path.exists() and path.read_text() == text:
        return path
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)
    return path
