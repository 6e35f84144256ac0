"""luigid, started on loopback only: it has no authentication, and a GET can make a worker import a module."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil

from luigi_tasks.domain.errors import PipelineError

ADDRESS = "127.0.0.1"
PORT = 8082
SECONDS = 20.0
CONFIGURATION = Path(__file__).resolve().parents[2] / "deploy" / "luigid.cfg"


def start(home: Path, port: int = PORT) -> str:
    """Start luigid unless it answers already; returns the address of its page. Raises PipelineError."""
    url = f"http://{ADDRESS}:{port}/static/visualiser/index.html"
    if answers(port):
        return url
    folder = home / "scheduler"
    folder.mkdir(parents=True, exist_ok=True)
    command = [str(Path(sys.executable).with_name("luigid")), "--address", ADDRESS, "--port", str(port)]
    command += ["--state-path", str(folder / "state.pickle")]
    with (folder / "luigid.log").open("ab") as log:
        child = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(home),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    (folder / "pid").write_text(str(child.pid))
    deadline = time.monotonic() + SECONDS
    while not answers(port):
        if child.poll() is not None or time.monotonic() > deadline:
            raise PipelineError("luigid did not start", where=str(folder / "luigid.log"), mend="Read the log's end.")
        time.sleep(0.05)
    return url


def environment(home: Path) -> dict[str, str]:
    """What luigid needs of this process's environment, its configuration, and where it finds the metrics of runs."""
    passed_on = ("PATH", "HOME", "LANG", "TMPDIR", "METRICS_FILE")
    found = {name: os.environ[name] for name in passed_on if os.environ.get(name)}
    return {"METRICS_FILE": str(home / "metrics" / "draenei.prom"), **found, "LUIGI_CONFIG_PATH": str(CONFIGURATION)}


def stop(home: Path) -> bool:
    """Stop the luigid that start() started; True when one was running."""
    path = home / "scheduler" / "pid"
    if not path.exists():
        return False
    pid = int(path.read_text())
    path.unlink()
    try:
        process = psutil.Process(pid)
        if not any("luigid" in word for word in process.cmdline()):
            return False
        process.send_signal(signal.SIGTERM)
        process.wait(SECONDS)
    except psutil.NoSuchProcess:
        return False
    return True


def answers(port: int = PORT) -> bool:
    """True when something listens there."""
    try:
        socket.create_connection((ADDRESS, port), timeout=0.5).close()
    except OSError:
        return False
    return True
