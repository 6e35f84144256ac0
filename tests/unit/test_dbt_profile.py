"""profiles.yml is written whole, and what a killed writer left beside it does not stay: it may hold a password."""

from __future__ import annotations

import fcntl
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from luigi_tasks.gateways.dbt_profile import write_profile


def test_what_a_killed_writer_left_is_removed_also_when_nothing_is_to_be_written(tmp_path: Path) -> None:
    path = write_profile(tmp_path, {"PGPASSWORD": "secret"})
    (tmp_path / ".profiles.yml.1234").write_text("password: secret")
    write_profile(tmp_path, {"PGPASSWORD": "secret"})
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_a_living_writer_is_writing_is_left_alone(tmp_path: Path) -> None:
    theirs = tmp_path / ".profiles.yml.1234"
    theirs.write_text("half")
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        write_profile(tmp_path, None)
    finally:
        os.close(descriptor)
    assert theirs.read_text() == "half"


def test_threads_of_one_process_write_at_the_same_time(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as threads:
        paths = list(threads.map(lambda n: write_profile(tmp_path, {"PGPASSWORD": str(n)}), range(200)))
    assert set(paths) == {tmp_path / "profiles.yml"}
    assert [path.name for path in tmp_path.iterdir()] == ["profiles.yml"]
