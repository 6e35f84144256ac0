"""The login of dbt's process: its own, which may act as the transformer and is nobody else.

The embedded server has one whose password stands in its home; on a server that PG* names there is one when
DBT_PGPASSWORD is set. It inherits nothing and is the transformer from its first statement on: what the profile sets
is undone by a rollback, which dbt makes between its hooks and its models.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from luigi_tasks.domain.errors import SettingsError, WarehouseError
from luigi_tasks.gateways import embedded_postgres, postgres
from luigi_tasks.gateways.warehouse_roles import TRANSFORMER

if TYPE_CHECKING:
    from luigi_tasks.settings import Settings

log = logging.getLogger("luigi-interface")
TRIES = 3
# What the pipeline may change: a login that was made to be the transformer, by it or by an administrator.
WHOSE = """
select not login.rolsuper and exists (
    select from pg_auth_members as has inner join pg_roles as it on has.roleid = it.oid
    where has.member = login.oid and it.rolname = %(group)s
)
from pg_roles as login where login.rolname = %(login)s
"""


def is_own(settings: Settings) -> bool:
    """Whether dbt has a login apart from the pipeline's."""
    return settings.embedded or settings.dbt_pgpassword is not None


def address(settings: Settings) -> dict[str, str]:
    """The libpq variables for dbt, and for nobody else; makes its login when it is not there or has another password.

    The pipeline's own where dbt has none. Raises WarehouseError when the login cannot be made.
    """
    from psycopg2 import errors

    found = postgres.address(settings)
    if not is_own(settings):
        return found
    own = found | {"PGUSER": settings.dbt_pguser, "PGPASSWORD": password(settings)}
    if own["PGUSER"] == found.get("PGUSER"):
        raise SettingsError(
            f"dbt's login and the pipeline's are the same: {own['PGUSER']}",
            where="DBT_PGUSER",
            mend="Name another one, which the pipeline makes, or unset DBT_PGPASSWORD.",
        )
    if _serves(own):
        return own
    for _ in range(TRIES):
        # Roles belong to the whole server: another database's pipeline may be making the same one at this very moment.
        with contextlib.suppress(errors.DuplicateObject, errors.UniqueViolation, errors.InternalError_):
            _make(settings, own)
        if _serves(own):
            return own
    raise WarehouseError(
        f"dbt cannot log in as {own['PGUSER']}, or is not {TRANSFORMER} then",
        where=found.get("PGHOST", ""),
        mend="Let an administrator make it, with the password of DBT_PGPASSWORD (docs/operations.md, Roles).",
    )


def password(settings: Settings) -> str:
    """The password of dbt's own login."""
    if settings.dbt_pgpassword is not None:
        return settings.dbt_pgpassword.get_secret_value()
    return embedded_postgres.dbt_password(settings.draenei_home)


def _serves(own: dict[str, str]) -> bool:
    import psycopg2
    from psycopg2.extensions import make_dsn

    try:
        dsn = make_dsn(**postgres.libpq_keywords(own), connect_timeout="10")
        with contextlib.closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
            cursor.execute("select current_user = %s", (TRANSFORMER,))
            return cursor.fetchone() == (True,)
    except psycopg2.OperationalError:
        return False


def _make(settings: Settings, own: dict[str, str]) -> None:
    from psycopg2 import errors, sql
    from psycopg2.extensions import encrypt_password

    login, secret = own["PGUSER"], own["PGPASSWORD"]
    with postgres.transaction(settings, "draenei-collector dbt login", as_owner=True) as cursor:
        # Only what proves the password is sent, so that no log of the server can tell it.
        verifier = encrypt_password(secret, login, cursor.connection, "scram-sha-256")
        cursor.execute(WHOSE, {"login": login, "group": TRANSFORMER})
        whose = cursor.fetchone()
        if whose and not whose[0]:
            raise WarehouseError(
                f"{login} is somebody else's login: it is no member of {TRANSFORMER}, or a superuser",
                where="DBT_PGUSER",
                mend="Name another one, which the pipeline makes.",
            )
        if whose and _serves(own):  # somebody has made it meanwhile
            return
        verb = "alter" if whose else "create"
        statement = sql.SQL(
            "{verb} role {login} login noinherit nosuperuser nocreatedb nocreaterole password {verifier};"
            "grant {group} to {login}; alter role {login} set role = {group}"
        )
        names = {"login": sql.Identifier(login), "group": sql.Identifier(TRANSFORMER)}
        try:
            cursor.execute(statement.format(verb=sql.SQL(verb), verifier=sql.Literal(verifier), **names))
        except (errors.InsufficientPrivilege, errors.UndefinedObject) as problem:
            raise WarehouseError(
                f"dbt's login {login} was not made: {type(problem).__name__}",
                mend="Let an administrator make it (docs/operations.md, Roles), or unset DBT_PGPASSWORD.",
            ) from None
    if whose:
        # Two pipelines of one server take turns at this for ever, and a build that logs in in between fails.
        log.warning(
            "dbt's login %s was made by somebody else, or with another password, and has that of DBT_PGPASSWORD now."
            " Who shares the login needs the same password, or a DBT_PGUSER of their own.",
            login,
        )
