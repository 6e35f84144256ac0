"""What Compose starts for people: the server of reports and gallery, and the login that dashboards read with."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
import pytest
import requests

from luigi_tasks.gateways import warehouse_roles
from tests.conftest import Warehouse
from tests.integration.test_deploy_commands import BARE, ROOT, SERVICES, free_port, run, until, words

PAGES = ("reports/index.html", "reports/w/q/r/report.html", "gallery/index.html", "gallery/thumbs/a.webp")


@pytest.fixture
def login(warehouse: Warehouse) -> Iterator[str]:
    """The name of a login that is gone after the test: roles belong to the whole server."""
    name = f"reader of {warehouse.dbname}"
    yield name
    warehouse.rows(f'drop role if exists "{name}"')


def test_the_readers_login_reads_the_marts_and_nothing_else(warehouse: Warehouse, login: str) -> None:
    with closing(warehouse.connect()) as connection, connection, connection.cursor() as cursor:
        cursor.execute("create table draenei_content.wallpapers as select 7 as number")
        warehouse_roles.hand_over(cursor)
    command = [*words("create-reader", "command"), "--login", login]
    passwords = ("first", 'it\'s "another"')
    for password in passwords:
        ended = run(command, {**BARE, **warehouse.environ, "READER_PASSWORD": password})
        assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr
        assert ended.stderr == f"create_reader: {login} may read draenei_content\n"
    there = {"host": warehouse.server.host, "port": warehouse.server.port, "dbname": warehouse.dbname, "user": login}
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(**there, password=passwords[0])
    with closing(psycopg2.connect(**there, password=passwords[1])) as reader, reader.cursor() as cursor:
        reader.autocommit = True
        cursor.execute("select number from draenei_content.wallpapers")
        assert cursor.fetchall() == [(7,)]
        for refused in ("select * from ops.runs", "select * from raw.randomuser_users"):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(refused)
        with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
            cursor.execute("create table draenei_content.own ()")
    ended = run(command, {**BARE, **warehouse.environ})
    assert (ended.returncode, "Set READER_PASSWORD" in ended.stderr) == (1, True)


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed")
def test_reports_and_gallery_are_served_and_nothing_else_is(tmp_path: Path) -> None:
    for page in PAGES:
        (file := tmp_path / "data" / page).parent.mkdir(parents=True, exist_ok=True)
        file.write_text(page)
    (tmp_path / "data" / "secret.txt").write_text("secret")
    with serving(tmp_path) as address:

        def got(path: str) -> tuple[int, str]:
            answer = requests.get(f"{address}{path}", timeout=5)
            return answer.status_code, answer.text

        check = SERVICES["pages"]["healthcheck"]["test"][-1]
        assert got(check.partition("8080")[2])[0] == 200
        for page in PAGES[1:]:
            assert got(f"/{page}") == (200, page)
        assert got("/reports/")[1] == got("/")[1] == "reports/index.html"
        for other in ("/secret.txt", "/reports/%2e%2e/secret.txt", "/gallery/thumbs/", "/x"):
            assert got(other)[0] in {403, 404}, other


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of a real nginx with Compose's configuration; only its port and its folders are the test's."""
    port = free_port()
    text = (ROOT / "deploy" / "nginx" / "nginx.conf").read_text()
    for old, new in (("8080", f"127.0.0.1:{port}"), (" /tmp", f" {folder}"), ("root /data", f"root {folder}/data")):
        text = text.replace(old, new)
    (folder / "nginx.conf").write_text(text if os.getuid() else f"user {getpass.getuser()};\n{text}")
    words_of_compose = SERVICES["pages"]["entrypoint"][:-1]
    with (folder / "said").open("w") as said:
        child = subprocess.Popen([*words_of_compose, str(folder / "nginx.conf")], stdout=said, stderr=said)
    try:
        assert until(lambda: child.poll() is not None or answers(port))
        assert child.poll() is None, (folder / "said").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        child.terminate()  # its workers end with it
        child.wait(20)


def answers(port: str) -> bool:
    """True when somebody listens there."""
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", int(port))) == 0
