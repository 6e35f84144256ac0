"""Claims on pictures: taken with SKIP LOCKED, leased by the database's clock, fenced, kept alive by a heartbeat."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from luigi_tasks.domain.errors import WarehouseError
from luigi_tasks.domain.faults import crash_point
from luigi_tasks.domain.publishing import Claim, ManifestItem
from luigi_tasks.gateways import postgres
from luigi_tasks.gateways.upload_ledger import OPEN
from luigi_tasks.settings import Settings

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

LOCK_CLASS = 1970303347  # the same number stands in ops.upload_claim_holds
BEATS_PER_LEASE = 4

# ON CONFLICT looks at the newest version of a claim, so of two who saw it free one gets nothing.
TAKE = f"""
with chosen as (
    select
        i.wallhaven_id, i.position, i.image_url, i.s3_key, i.file_type, i.file_size, i.width, i.height, (
            select t.reason from ops.tombstones as t where t.wallhaven_id = i.wallhaven_id and t.lifted_at is null
        ) as taken_down
    {OPEN}
    and i.position > %(after)s
    and not exists (
        select 1 from ops.upload_claims as c
        where c.wallhaven_id = i.wallhaven_id and (c.worker = %(worker)s or ops.upload_claim_holds(c))
    )
    order by i.position
    limit %(limit)s
    for update of i skip locked
),
taken as (
    insert into ops.upload_claims as held (wallhaven_id, run_key, worker, fence, leased_until)
    select
        wallhaven_id, %(run_key)s, %(worker)s, nextval('ops.upload_fences'),
        clock_timestamp() + make_interval(secs => %(lease)s)
    from (select * from chosen order by wallhaven_id) as in_order
    on conflict (wallhaven_id) do update set
        run_key = excluded.run_key, worker = excluded.worker, fence = excluded.fence,
        claimed_at = clock_timestamp(), leased_until = excluded.leased_until
    where not ops.upload_claim_holds(held)
    returning held.wallhaven_id, held.fence
)
select taken.fence, chosen.position, chosen.wallhaven_id, chosen.image_url, chosen.s3_key, chosen.file_type,
    chosen.file_size, chosen.width, chosen.height, chosen.taken_down
from taken inner join chosen on taken.wallhaven_id = chosen.wallhaven_id
order by chosen.position
"""  # noqa: S608 (our own text)
# A statement of its own, so that it sees what was registered while TAKE waited for the last holder's transaction.
DROP_IF_DONE = """
delete from ops.upload_claims as c
using ops.uploads as u
where
    c.fence = any(%s)
    and u.wallhaven_id = c.wallhaven_id
    and (u.run_key = c.run_key or (u.outcome = 'stored' and u.lost_at is null))
returning c.fence
"""
OF_OTHERS = f"""
select count(*) {OPEN}
and not exists (select 1 from ops.upload_claims as c where c.wallhaven_id = i.wallhaven_id and c.worker = %(worker)s)
"""  # noqa: S608 (our own text)
RENEW = """
update ops.upload_claims set leased_until = clock_timestamp() + make_interval(secs => %s)
where wallhaven_id in (
    select wallhaven_id from ops.upload_claims
    where worker = %s and leased_until > clock_timestamp()
    order by wallhaven_id
    for update
)
"""


def connect(settings: Settings, *, durable: bool = True) -> Connection:
    """A connection for claims: what a process that hangs has locked in a transaction is free when its lease is.

    durable: False for claims alone. One that a crash of the server takes back held nothing any more: its worker's lock
    is gone with the connection, and the first intent under it would have made it durable as well.
    """
    connection = postgres.connect(settings)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "select set_config('idle_in_transaction_session_timeout', %s, false),"
            " set_config('synchronous_commit', %s, false)",
            (f"{round(settings.upload_lease_seconds * 1000)}ms", "on" if durable else "off"),
        )
    return connection


class Worker:
    """One publishing process in the database's eyes. Use as a context manager: leaving gives every claim back.

    A thread renews the leases; when it cannot, `on_loss` is called once and check() raises what was the matter.
    """

    def __init__(self, settings: Settings, run_key: str, on_loss: Callable[[], None]) -> None:
        self._run_key, self._lease, self._on_loss = run_key, settings.upload_lease_seconds, on_loss
        self._connection = postgres.connect(settings, "draenei-collector publish")
        self._connection.autocommit = True
        with self._connection.cursor() as cursor:
            cursor.execute("select nextval('ops.upload_workers')::integer")
            self.number = int((cursor.fetchone() or (0,))[0])
            cursor.execute("select pg_advisory_lock(%s, %s)", (LOCK_CLASS, self.number))
            cursor.execute("set synchronous_commit = off")
        self._left, self._lost = threading.Event(), ""
        self._heart = threading.Thread(target=self._beat, name="publish-heartbeat", daemon=True)

    def __enter__(self) -> Worker:
        self._heart.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        import psycopg2

        self._left.set()
        self._heart.join()
        with (
            contextlib.closing(self._connection),
            contextlib.suppress(psycopg2.Error),  # the connection's end frees the claims as well
            self._connection.cursor() as cursor,
        ):
            crash_point("publish.release.before")
            cursor.execute("delete from ops.upload_claims where worker = %s", (self.number,))
            crash_point("publish.release.after")

    def take(self, connection: Connection, after: int, limit: int = 1) -> tuple[list[Claim], int]:
        """Claim up to `limit` open items behind position `after`, and the last one's position; none: nothing now.

        Each attempt is a transaction. One that finds a claim of another's, made since it looked, has locked it all the
        same: kept for a second attempt the lock is out of order, and two processes wait for each other in a circle.
        """
        values = {"run_key": self._run_key, "worker": self.number, "after": after, "lease": self._lease, "limit": limit}
        while True:
            with connection, connection.cursor() as cursor:
                cursor.execute(TAKE, values)
                if not (rows := cursor.fetchall()):
                    return [], after
                cursor.execute(DROP_IF_DONE, ([row[0] for row in rows],))
                done = {fence for (fence,) in cursor.fetchall()}
            if claims := [
                Claim(ManifestItem(*item), fence, taken_down)
                for fence, _, *item, taken_down in rows
                if fence not in done
            ]:
                return claims, rows[-1][1]

    def others(self, cursor: Cursor) -> int:
        """How many open items of the run are not claimed by this worker."""
        cursor.execute(OF_OTHERS, {"run_key": self._run_key, "worker": self.number})
        return int((cursor.fetchone() or (0,))[0])

    def check(self) -> None:
        """Raise WarehouseError when the leases could not be renewed."""
        if self._lost:
            raise WarehouseError(f"the claims could not be renewed: {self._lost}", mend="Run the same command again.")

    def _beat(self) -> None:
        """Until the worker leaves. Whatever else ends it, foreseen or not, is told: the leases run out then."""
        import psycopg2

        why = "the heartbeat ended by an error that nobody foresaw"
        try:
            self._renew_until_left()
            why = ""
        except psycopg2.Error as problem:
            why = type(problem).__name__
        finally:
            if why:
                self._lost = why
                self._on_loss()

    def _renew_until_left(self) -> None:
        while not self._left.wait(self._lease / BEATS_PER_LEASE):
            with self._connection.cursor() as cursor:
                crash_point("publish.heartbeat.before")
                cursor.execute(RENEW, (self._lease, self.number))
                crash_point("publish.heartbeat.after")


def release(cursor: Cursor, claim: Claim) -> None:
    """Give a claim back that is still ours; another's is left alone."""
    cursor.execute("delete from ops.upload_claims where fence = %s", (claim.fence,))
