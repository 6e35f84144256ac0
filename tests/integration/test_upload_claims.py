"""Claims on pictures: shared by processes, freed by death or by the end of the lease, fenced against zombies."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest

from luigi_tasks.domain.errors import WarehouseError
from luigi_tasks.domain.faults import armed
from luigi_tasks.domain.progress import Silent
from luigi_tasks.domain.publishing import Claim, ClaimLost, Outcome, UploadOutcome
from luigi_tasks.gateways import postgres, upload_claims, upload_ledger
from luigi_tasks.gateways.upload_claims import Worker, connect, release
from luigi_tasks.settings import Settings
from luigi_tasks.steps.publish import publish
from tests.conftest import Warehouse
from tests.image_server import Request, serving, whole
from tests.integration.publish_fixtures import Publishing
from tests.pictures import picture

LEASE = 0.4


@pytest.fixture
def publishing(warehouse: Warehouse) -> Iterator[Publishing]:
    with serving() as server:
        found = Publishing(warehouse, server)
        for seed in range(4):
            found.offer(f"w{seed:05}", picture(seed=seed))
        yield found


@contextlib.contextmanager
def worker(publishing: Publishing, run_key: str, *, beats: bool = True, lease: float = LEASE) -> Iterator[Worker]:
    """A worker of the run; one that does not beat hangs from the start."""
    found = Worker(publishing.settings(upload_lease_seconds=lease), run_key, lambda: None)
    if beats:
        with found:
            yield found
        return
    try:
        yield found
    finally:
        found._connection.close()


def take(publishing: Publishing, of: Worker, after: int = 0) -> Claim | None:
    with contextlib.closing(postgres.connect(publishing.settings())) as connection:
        claims, _ = of.take(connection, after)
        return claims[0] if claims else None


def register(publishing: Publishing, run_key: str, claim: Claim, outcome: Outcome = Outcome.UNREACHABLE) -> None:
    with postgres.transaction(publishing.settings()) as cursor:
        entry = (claim, UploadOutcome(claim.item.wallhaven_id, outcome, 0.1))
        for problem in upload_ledger.register(cursor, run_key, [entry]).values():
            raise problem


def test_workers_take_different_items_in_the_manifests_order_and_give_all_back(publishing: Publishing) -> None:
    run_key = publishing.freeze("1")
    with worker(publishing, run_key) as one, worker(publishing, run_key) as two:
        claims = [take(publishing, by) for by in (one, two, one, two, one)]
        assert [claim and claim.item.wallhaven_id for claim in claims] == ["w00003", "w00002", "w00001", "w00000", None]
        fences = [claim.fence for claim in claims if claim]
        assert fences == sorted(set(fences))
        with postgres.transaction(publishing.settings()) as cursor:
            assert one.others(cursor) == 2
    assert publishing.warehouse.rows("select * from ops.upload_claims") == []


def test_an_item_locked_by_another_transaction_is_skipped_not_waited_for(publishing: Publishing) -> None:
    run_key = publishing.freeze("1")
    with worker(publishing, run_key) as one, contextlib.closing(publishing.warehouse.connect()) as other:
        with other.cursor() as cursor:
            cursor.execute("select 1 from ops.manifest_items where wallhaven_id = 'w00003' for update")
            begun = time.monotonic()
            claim = take(publishing, one)
        assert claim
        assert claim.item.wallhaven_id == "w00002"
        assert time.monotonic() - begun < 20


def test_of_sixteen_who_want_the_last_item_one_gets_it(publishing: Publishing) -> None:
    run_key = publishing.freeze("1", upload_batch_limit=1)
    gate, got = threading.Barrier(16), []
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(worker(publishing, run_key)) for _ in range(16)]

        def race(one: Worker) -> None:
            gate.wait()
            got.append(take(publishing, one))

        threads = [threading.Thread(target=race, args=(one,)) for one in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len([claim for claim in got if claim]) == 1


MANY = """
insert into ops.manifest_items
    (manifest_id, position, wallhaven_id, image_url, s3_key, file_type, file_size, width, height)
select m.manifest_id, 4 + n, 'x' || lpad(n::text, 5, '0'), '', '', 'image/png', 1, 1, 1
from ops.manifests as m cross join generate_series(1, 3000) as n where m.run_key = %(run)s;
update ops.manifests set items = 3004 where run_key = %(run)s;
insert into ops.uploads (run_key, wallhaven_id, attempt, outcome, s3_key, started_at, fence)
select %(run)s, 'x' || lpad(n::text, 5, '0'), 1, 'gone', '', now(), n from generate_series(1, 1000) as n
"""


@pytest.mark.parametrize("analyzed", ["ops.uploads", ""])
def test_a_claim_reads_what_it_takes_however_long_the_manifest_is(publishing: Publishing, analyzed: str) -> None:
    run_key = publishing.freeze("1")
    values = {"run_key": run_key, "worker": 1, "after": 1004, "lease": 60, "limit": 2}
    with contextlib.closing(publishing.warehouse.connect()) as connection, connection, connection.cursor() as cursor:
        cursor.execute(MANY, {"run": run_key})
        if analyzed:
            cursor.execute(f"analyze {analyzed}")
        cursor.execute(f"explain (analyze, buffers, format json) {upload_claims.TAKE}", values)
        ((plan,),) = cursor.fetchall()
    assert plan[0]["Plan"]["Actual Rows"] == 2
    assert plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"] < 150


HELD_UP = """
create function ops.held_up() returns trigger language plpgsql as $$
begin
    if new.worker = {worker} then
        perform pg_advisory_xact_lock(42);
    end if;
    return new;
end $$;
create trigger held_up before insert on ops.upload_claims for each row execute function ops.held_up();
"""
CLAIM = """
insert into ops.upload_claims (wallhaven_id, run_key, worker, fence, leased_until)
values ('w00003', %s, %s, nextval('ops.upload_fences'), now() + interval '1 hour')
"""


def test_who_finds_the_claim_of_another_keeps_no_lock_of_it(publishing: Publishing) -> None:
    run_key = publishing.freeze("1", upload_batch_limit=1)
    settings = publishing.settings()
    with contextlib.ExitStack() as stack:
        holder, late = (stack.enter_context(worker(publishing, run_key)) for _ in range(2))
        own, gate, other = (stack.enter_context(contextlib.closing(publishing.warehouse.connect())) for _ in range(3))
        with gate, gate.cursor() as cursor:
            cursor.execute(HELD_UP.format(worker=late.number))
        pool = stack.enter_context(ThreadPoolExecutor(1))
        with gate, gate.cursor() as cursor:
            cursor.execute("select pg_advisory_xact_lock(42)")
            taking = pool.submit(late.take, own, 0)
            wait_until_locked(settings)
            with other, other.cursor() as claiming:
                claiming.execute(CLAIM, (run_key, holder.number))  # after `late` looked who holds what
        assert taking.result(20) == ([], 0)
        with other, other.cursor() as cursor:
            cursor.execute("select worker from ops.upload_claims for update nowait")
            assert cursor.fetchall() == [(holder.number,)]


def wait_until_locked(settings: Settings) -> None:
    """Until somebody waits for the advisory lock 42."""
    deadline = time.monotonic() + 20
    with postgres.transaction(settings) as cursor:
        while time.monotonic() < deadline:
            cursor.execute("select count(*) from pg_locks where locktype = 'advisory' and objid = 42 and not granted")
            if cursor.fetchone() == (1,):
                return
            time.sleep(0.02)
    raise AssertionError("nobody waits")


def test_the_heartbeat_holds_a_claim_past_its_lease(publishing: Publishing) -> None:
    run_key = publishing.freeze("1", upload_batch_limit=1)
    with worker(publishing, run_key) as one, worker(publishing, run_key) as two:
        claim = take(publishing, one)
        assert claim
        time.sleep(2.5 * LEASE)
        assert take(publishing, two) is None
        register(publishing, run_key, claim)
    assert publishing.outcomes(run_key) == {"w00003": "unreachable"}


def test_a_dead_workers_claim_is_free_at_once(publishing: Publishing) -> None:
    run_key = publishing.freeze("1", upload_batch_limit=1)
    with worker(publishing, run_key) as two:
        with worker(publishing, run_key, beats=False, lease=3600) as dead:
            assert take(publishing, dead)
            assert take(publishing, two) is None
        deadline = time.monotonic() + 5
        while take(publishing, two) is None:
            assert time.monotonic() < deadline


def test_a_zombie_whose_lease_passed_changes_nothing(publishing: Publishing) -> None:
    run_key = publishing.freeze("1", upload_batch_limit=1)
    with worker(publishing, run_key, beats=False) as zombie, worker(publishing, run_key) as heir:
        old = take(publishing, zombie)
        assert old
        assert take(publishing, heir) is None
        time.sleep(1.2 * LEASE)
        for call in (
            lambda: register(publishing, run_key, old),  # nobody took it over yet: it is lost all the same
            lambda: take(publishing, heir) and register(publishing, run_key, old),
        ):
            with pytest.raises(ClaimLost):
                call()
        with postgres.transaction(publishing.settings()) as cursor:
            (problem,) = upload_ledger.intend(cursor, run_key, [(old, "00" * 32)]).values()
            assert isinstance(problem, ClaimLost)
        with postgres.transaction(publishing.settings()) as cursor:
            release(cursor, old)
        assert publishing.outcomes(run_key) == {}
        assert publishing.warehouse.rows("select * from ops.upload_intents") == []
        ((fence,),) = publishing.warehouse.rows("select fence from ops.upload_claims")
        assert fence > old.fence, "the heir's claim stands"


def test_who_waited_for_the_registration_does_not_get_the_item(publishing: Publishing) -> None:
    """The claim's query began before the registration was committed, so it cannot see it."""
    run_key = publishing.freeze("1", upload_batch_limit=1)
    with (
        worker(publishing, run_key, beats=False) as one,
        worker(publishing, run_key) as two,
        contextlib.closing(publishing.warehouse.connect()) as connection,
    ):
        claim = take(publishing, one)
        assert claim
        with connection.cursor() as cursor:
            outcome = UploadOutcome("w00003", Outcome.UNREACHABLE, 0.1)
            upload_ledger.register(cursor, run_key, [(claim, outcome)])
            time.sleep(1.2 * LEASE)
            got: list[Claim | None] = []
            waiting = threading.Thread(target=lambda: got.append(take(publishing, two)))
            waiting.start()
            time.sleep(0.3)
            assert got == []
            connection.commit()
            waiting.join()
        assert got == [None]


def test_what_a_hanging_process_has_locked_is_free_when_its_lease_is(publishing: Publishing) -> None:
    """Stopped between a statement and its commit, with its database session alive."""
    run_key = publishing.freeze("1", upload_batch_limit=1)
    settings = publishing.settings(upload_lease_seconds=LEASE)
    with (
        worker(publishing, run_key, beats=False) as hanging,
        worker(publishing, run_key) as heir,
        contextlib.closing(connect(settings)) as connection,
        connection.cursor() as cursor,
    ):
        claim = take(publishing, hanging)
        assert claim
        upload_ledger.register(cursor, run_key, [(claim, UploadOutcome("w00003", Outcome.UNREACHABLE, 0.1))])
        time.sleep(1.2 * LEASE)
        got: list[Claim | None] = []
        taking = threading.Thread(target=lambda: got.append(take(publishing, heir)), daemon=True)
        taking.start()
        taking.join(5)
        assert got, "it waits for a transaction that nobody will end"
        assert got[0]
        with pytest.raises(psycopg2.Error):
            cursor.execute("select 1")
    assert publishing.outcomes(run_key) == {}


def test_a_worker_cut_off_from_the_database_says_so(publishing: Publishing) -> None:
    run_key, told = publishing.freeze("1"), threading.Event()
    with Worker(publishing.settings(upload_lease_seconds=LEASE), run_key, told.set) as one:
        publishing.warehouse.rows(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = 'draenei-collector publish' and datname = current_database()"
        )
        assert told.wait(5)
        with pytest.raises(WarehouseError, match="could not be renewed"):
            one.check()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_heartbeat_that_ends_by_what_nobody_foresaw_stops_the_run_and_charges_nobody(
    publishing: Publishing, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()
    for path in publishing.server.answers:
        publishing.server.answers[path] = lambda request: over.wait(60) and None
    monkeypatch.setattr(upload_claims, "crash_point", armed("publish.heartbeat.before:1:exception"))
    settings, run_key = publishing.settings(upload_lease_seconds=LEASE, image_answer_seconds=1), publishing.freeze("1")
    begun = time.monotonic()
    try:
        with pytest.raises(WarehouseError, match="nobody foresaw"):
            publish(settings, run_key, publishing.store, Silent())
    finally:
        over.set()
    assert time.monotonic() - begun < 30, "long before a picture's time is up"
    assert publishing.outcomes(run_key) == {}
    assert publishing.warehouse.rows("select * from ops.upload_claims") == []
    for name, body in publishing.bodies.items():
        publishing.server.answers[f"/full/{name}"] = whole(body)
    monkeypatch.setattr(upload_claims, "crash_point", armed(""))
    publish(publishing.settings(), run_key, publishing.store, Silent())
    publishing.assert_all_stored_once()


def test_intents_and_outcomes_keep_the_fence_that_wrote_them(publishing: Publishing) -> None:
    fences = []
    for run_id, outcome in (("1", Outcome.UNSTORED), ("2", Outcome.UNREACHABLE)):
        run_key = publishing.freeze(run_id, upload_batch_limit=1)
        with worker(publishing, run_key) as one:
            claim = take(publishing, one)
            assert claim
            with postgres.transaction(publishing.settings()) as cursor:
                assert upload_ledger.intend(cursor, run_key, [(claim, "00" * 32)]) == {}
            register(publishing, run_key, claim, outcome)
        fences.append((claim.fence,))
        assert publishing.warehouse.rows("select fence from ops.upload_intents") == [(claim.fence,)]
    assert publishing.warehouse.rows("select fence from ops.uploads order by attempt") == sorted(set(fences))


def test_two_processes_share_a_manifest(publishing: Publishing) -> None:
    together = threading.Barrier(2, timeout=10)

    def meet(body: bytes):
        def answer(request: Request) -> None:
            together.wait()  # passes only when two are asked for at once, by two crews of one hand each
            whole(body)(request)

        return answer

    for name, body in publishing.bodies.items():
        publishing.server.answers[f"/full/{name}"] = meet(body)
    run_key, settings = publishing.freeze("1"), publishing.settings(upload_concurrency=1, image_answer_seconds=20)
    crews = [threading.Thread(target=publish, args=(settings, run_key, publishing.store, Silent())) for _ in range(2)]
    for crew in crews:
        crew.start()
    for crew in crews:
        crew.join()
    publishing.assert_all_stored_once()
    assert set(publishing.server.asked.values()) == {1}
