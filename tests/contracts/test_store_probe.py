"""The probe tells stores apart by trying them, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from luigi_tasks.domain.errors import StoreError
from luigi_tasks.gateways.folder_store import FolderStore
from luigi_tasks.gateways.objects import ChecksumRefused, StoreUnavailable, remove_probe
from luigi_tasks.gateways.store_probe import Manners, probe
from tests.contracts.given_server import IS_GIVEN, given_bucket
from tests.gcs_double import gcs_double
from tests.s3_double import Server, s3_double


@pytest.fixture(params=[s3_double, gcs_double])
def double(request: pytest.FixtureRequest) -> Iterator[Server]:
    with request.param() as server:
        yield server


def test_a_folder_creates_once_checks_and_is_left_as_it_was(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "objects")
    store.create("wallpapers/a.jpg", b"", content_type="", sha256=EMPTY, metadata={})
    before = sorted(store.root.rglob("*"))
    assert probe(store) == Manners(conditional=True, checksums=True)
    assert sorted(store.root.rglob("*")) == before


@pytest.mark.parametrize("server", ["given"] if IS_GIVEN else [])
def test_a_given_server_creates_once_and_checks(server: str) -> None:
    with given_bucket() as store:
        assert probe(store) == Manners(conditional=True, checksums=True)
        assert list(store.list("")) == []


@pytest.mark.parametrize(
    ("manners", "conditional", "checksums"),
    [
        ((), True, True),
        (("overwrites",), False, True),
        (("racy",), False, True),
        (("unable",), False, True),
        (("careless",), True, False),
        (("unable", "careless"), False, False),
    ],
)
def test_a_bucket_is_trusted_with_what_it_showed(
    double: Server, manners: tuple[str, ...], conditional: bool, checksums: bool
) -> None:
    for name in manners:
        setattr(double.state.manners, name, True)
    found = probe(double.store())
    assert found == Manners(conditional, checksums)
    assert ("lock of ours" in str(found)) is not conditional
    assert ("read back" in str(found)) is not checksums
    assert double.state.versions == {}, "the probe removes its objects"
    assert double.state.history, "it did put some"


@pytest.mark.parametrize("unable", [False, True])
def test_a_store_that_loses_data_is_refused_with_words(double: Server, unable: bool) -> None:
    double.state.manners.forgetful, double.state.manners.unable = True, unable
    with pytest.raises(StoreError, match=r"does not keep what it confirmed.*pictures would be lost"):
        probe(double.store())
    assert double.state.versions == {}


def test_without_the_right_to_delete_the_probe_says_what_stays(double: Server) -> None:
    double.state.fault("denied", "DELETE", "probe/", times=9)
    found = probe(double.store())
    assert found == Manners(conditional=True, checksums=True, removes=False)
    assert "not removed" in str(found)


def test_a_store_that_does_not_answer_is_unavailable(double: Server) -> None:
    double.state.fault("slow_down", "PUT", "probe/", times=99)
    with pytest.raises(StoreUnavailable, match=r"SlowDown|503"):
        probe(double.store())


def test_the_probe_can_delete_only_what_is_a_probes(double: Server, tmp_path: Path) -> None:
    for store in (double.store(), FolderStore(tmp_path)):
        for key in ("wallpapers/a.jpg", "probe", "probe/../wallpapers/a.jpg", "/probe/a"):
            with pytest.raises(StoreError, match=r"no probe object|no object key"):
                remove_probe(store, key)


def test_a_wrong_checksum_is_refused_by_both(double: Server, tmp_path: Path) -> None:
    for store in (double.store(), FolderStore(tmp_path)):
        with pytest.raises(ChecksumRefused):
            store.create("wallpapers/a.jpg", b"x", content_type="", sha256=EMPTY, metadata={})
        assert store.head("wallpapers/a.jpg") is None


EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_what_a_killed_probe_left_is_removed_by_the_next_of_its_name(double: Server) -> None:
    store = double.store()
    store.create("probe/own/twice", b"", content_type="", sha256=EMPTY, metadata={})
    store.create("probe/theirs/twice", b"", content_type="", sha256=EMPTY, metadata={})
    assert probe(store, "own") == Manners(conditional=True, checksums=True)
    assert list(double.state.versions) == ["probe/theirs/twice"]


def test_leftovers_that_may_not_be_deleted_do_not_mislead_the_probe(double: Server) -> None:
    store = double.store()
    store.create("probe/own/twice", b"", content_type="", sha256=EMPTY, metadata={})
    double.state.fault("denied", "DELETE", "probe/", times=99)
    assert probe(store, "own") == Manners(conditional=True, checksums=True, removes=False)
