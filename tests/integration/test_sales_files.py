"""A file of sales from a folder, a site or a bucket: the same bytes in the raw zone, capped, and never half of it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest

from luigi_tasks.domain.envelope import digest, unpack
from luigi_tasks.domain.errors import SourceError
from luigi_tasks.domain.progress import Silent
from luigi_tasks.domain.run import Run
from luigi_tasks.gateways import postgres, run_ledger
from luigi_tasks.gateways.objects import open_store
from luigi_tasks.settings import Settings
from luigi_tasks.steps import access, fetch, load
from tests.conftest import Warehouse
from tests.s3_double import BUCKET, s3_double
from twin import Catalogue, Twin
from twin.sales import CAPPED, FILE, LINES, Sales, extract

MINUTE = datetime.datetime(2026, 11, 21, 7, 0)
BODY = extract()


@pytest.fixture
def twin() -> Iterator[Twin]:
    """A site that has the file."""
    with Twin(Catalogue.generate(1, small=True), rate_per_minute=10_000, sites=[Sales()]) as running:
        yield running


def fetched(own: Settings, address: str, minute: datetime.datetime = MINUTE) -> tuple[Run, dict[str, object]]:
    """A run of this file, up to Fetch."""
    run = Run.at(access.query(own, "sales", address), minute)
    with postgres.transaction(own) as cursor:
        run_ledger.open_run(cursor, run, run_ledger.Circumstances("test", "0" * 64, access.address(own, run.query)))
    return run, fetch.fetch_requests(own, run, open_store(own), Silent())


def kept(own: Settings, run: Run) -> bytes:
    """The body that the raw zone holds."""
    return unpack(open_store(own).get(f"{run.raw_prefix}/lines/file.gz"))[1]


def test_from_a_folder_with_what_load_makes_of_it(warehouse: Warehouse, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(BODY)
    own = warehouse.settings()
    run, result = fetched(own, str(tmp_path / FILE))
    assert result == {"pages": 1, "records": LINES, "requests": 1}
    assert kept(own, run) == BODY
    loaded = load.load(own, run.key, "sales", "lines", open_store(own), Silent())
    assert (loaded["received"], loaded["loaded"], loaded["quarantined"]) == (LINES, LINES, 0)
    capped = (
        "(payload ->> 'SALES')::numeric / (payload ->> 'QUANTITYORDERED')::int <> (payload ->> 'PRICEEACH')::numeric"
    )
    assert warehouse.rows(f"select count(*), count(*) filter (where {capped}) from raw.sales_lines") == [
        (LINES, CAPPED)
    ]
    assert warehouse.rows("select count(*) > 0 from raw.sales_lines where payload ->> 'CITY' = 'Ítaca'") == [(True,)]
    # The same run again has it already, though the file is gone.
    (tmp_path / FILE).unlink()
    assert fetch.fetch_requests(own, run, open_store(own), Silent())["requests"] == 0


def test_from_a_site(warehouse: Warehouse, twin: Twin) -> None:
    own = warehouse.settings()
    run, _ = fetched(own, f"{twin.site_url('sales')}/{FILE}")
    assert kept(own, run) == BODY
    with pytest.raises(SourceError, match="404"):
        fetched(own, f"{twin.site_url('sales')}/other.csv")


def test_from_a_bucket(warehouse: Warehouse) -> None:
    with s3_double() as double:
        double.store().put_if_absent(
            f"incoming/{FILE}", BODY, content_type="text/csv", sha256=digest(BODY), metadata={}
        )
        own = warehouse.settings(**double.settings())
        run, _ = fetched(own, f"s3://{BUCKET}/incoming/{FILE}")
        assert kept(own, run) == BODY
        with pytest.raises(SourceError, match="no such object"):
            fetched(own, f"s3://{BUCKET}/incoming/other.csv")


def test_what_is_missing_too_large_or_no_such_file_is_said_at_once(warehouse: Warehouse, tmp_path: Path) -> None:
    own = warehouse.settings(sales_max_bytes=1000)
    with pytest.raises(SourceError, match=r"cannot be read: No such file.*Check --file"):
        fetched(own, str(tmp_path / "nowhere.csv"))
    (tmp_path / FILE).write_bytes(BODY)
    with pytest.raises(SourceError, match=r"larger than 1000 bytes.*SALES_MAX_BYTES"):
        fetched(own, str(tmp_path / FILE))
    (tmp_path / "page.csv").write_text("<html>Sign in</html>")
    with pytest.raises(SourceError, match="lacks the columns"):
        fetched(own, str(tmp_path / "page.csv"))
    assert warehouse.rows("select count(*) from ops.pages") == [(0,)]


def test_a_file_that_is_suddenly_smaller_is_refused_and_kept_as_evidence(warehouse: Warehouse, tmp_path: Path) -> None:
    own, file, later = warehouse.settings(), tmp_path / FILE, MINUTE + datetime.timedelta(days=1)
    file.write_bytes(BODY)
    run, _ = fetched(own, str(file))
    load.load(own, run.key, "sales", "lines", open_store(own), Silent())
    lines = BODY.splitlines(keepends=True)
    file.write_bytes(b"".join(lines[: 1 + LINES * 9 // 10]))
    with pytest.raises(SourceError) as refused:
        fetched(own, str(file), later)
    words = str(refused.value)
    assert f"it has {LINES * 9 // 10} records, that of 2026-11-21T07:00 had {LINES}" in words
    assert "If it is whole, run the same command with SALES_MIN_SHARE=0 before it." in words
    assert warehouse.rows("select count(*) from ops.pages") == [(1,)], "replay does not know it"
    assert len([head for head in open_store(own).list("raw/sales/") if ".refused-" in head.key]) == 1
    earlier, _ = fetched(own, str(file), MINUTE - datetime.timedelta(days=1))
    assert warehouse.rows("select run_key from ops.pages order by page_id desc limit 1") == [(earlier.key,)]
    _, taken = fetched(own.model_copy(update={"sales_min_share": 0}), str(file), later)
    assert taken["records"] == LINES * 9 // 10
    file.write_bytes(b"".join(lines[: 2 + LINES * 9 // 10]))
    assert fetched(own, str(file), later + datetime.timedelta(days=1))[1]["records"] == 1 + LINES * 9 // 10
