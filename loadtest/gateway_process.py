"""A gateway as a process of its own, as an operator runs it, for as long as a load test lasts."""

import json
import os
import resource
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtest.audience import MASTER_KEY
from loadtest.sink import LOOPBACK

ADMIN_TOKEN = "an-admin-token-preset-for-load-tests"
START_WITHIN = 60.0
STOP_WITHIN = 60.0


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running one. Its database is the one that `loadtest.audience.open_context(folder, …)` opens."""

    url: str
    metrics_url: str
    folder: Path
    pid: int

    def metrics(self) -> dict[str, float]:
        """Every sample of `/metrics`, by name and labels as they are written there."""
        with urllib.request.urlopen(self.metrics_url, timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        samples = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}

    def complaints(self) -> Counter[str]:
        """Warnings and errors of its log: how often each `level event` came, `error sender.died` say."""
        found: Counter[str] = Counter()
        for line in log_file(self.folder).read_text().splitlines():
            try:
                entry = json.loads(line)
            except ValueError:  # what no logger wrote: the traceback of a process that died
                found["error lines that are no log entries"] += 1
                continue
            if entry.get("level") in ("warning", "error", "critical"):
                found[f"{entry['level']} {entry.get('event')}"] += 1
        return found


def log_file(folder: Path) -> Path:
    return folder / "gateway.log"


@contextmanager
def running_gateway(
    folder: Path, settings: Mapping[str, str], *, open_files: int | None = None
) -> Iterator[Gateway]:
    """`python -m gateway serve` with its data in `folder`; `settings` are further environment variables.

    `open_files` is its hard limit of open files. RuntimeError when it does not start, or does not stop with
    exit status 0; the end of its log is in the text.
    """
    port, metrics_port = _free_port(), _free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "GATEWAY_PORT": str(port),
        "GATEWAY_METRICS_PORT": str(metrics_port),
        "GATEWAY_DATA_DIR": str(folder),
        "GATEWAY_MASTER_KEY": b64encode(MASTER_KEY).decode(),
        "GATEWAY_ADMIN_TOKEN": ADMIN_TOKEN,
        "GATEWAY_LOG_FORMAT": "json",
        "GATEWAY_TRUSTED_PROXIES": "127.0.0.0/8",
        **settings,
    }
    with log_file(folder).open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "serve"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for the load test, which stops it in order
            preexec_fn=_limiter(open_files),
        )
    url = f"http://{LOOPBACK}:{port}"
    try:
        _wait_until_ready(process, url, folder)
        yield Gateway(url, f"http://{LOOPBACK}:{metrics_port}/metrics", folder, process.pid)
    except BaseException:
        _stop(process)
        raise
    status = _stop(process)
    if status != 0:
        raise RuntimeError(f"the gateway ended with exit status {status}:\n{_tail(folder)}")


def _limiter(open_files: int | None) -> Callable[[], None] | None:
    if open_files is None:
        return None
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (open_files, open_files))


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, folder: Path) -> None:
    deadline = time.monotonic() + START_WITHIN
    while True:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5):
                return
        except (OSError, urllib.error.URLError):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the gateway did not start:\n{_tail(folder)}") from None
        time.sleep(0.05)


def _stop(process: subprocess.Popen[bytes]) -> int:
    process.terminate()
    try:
        return process.wait(timeout=STOP_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _tail(folder: Path) -> str:
    return "\n".join(log_file(folder).read_text(errors="replace").splitlines()[-20:])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
