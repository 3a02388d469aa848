"""A push service as a process of its own: the four providers' rules in outline, healthy or in trouble.

    python -m loadtest.fake_push --folder DIR [--scenario fcm=slow:5,mozilla=gone] [--http1]

Speaks HTTP/2 through nginx in front (HTTP/1.1 alone without nginx, or with --http1) under a throw-away
authority. Endpoints are either at `https://localhost:PORT/fcm/…` (the first part of the path names the
provider; the gateway needs GATEWAY_PUSH_HOSTS=localhost:PORT, and calls it "other"), or at the providers'
real hosts, reached through the CONNECT proxy that runs along (HTTPS_PROXY). Either way the gateway needs
GATEWAY_PUSH_CA_FILE. DIR/push.json says where everything is, as soon as it is ready.
"""

import argparse
import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop
from aiohttp import web

from gateway.webpush.endpoint import Provider
from loadtest.connect_proxy import ConnectProxy
from loadtest.push_control import control_application
from loadtest.push_rules import HOSTS
from loadtest.push_server import PushProtocol, PushService
from loadtest.scenarios import Scenario, parse_scenarios
from loadtest.sink import LOOPBACK, find_nginx, make_certificate, running_nginx

ADDRESSES = "push.json"
START_WITHIN = 15.0
BACKLOG = 4096


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running fake push service is. `proxy` leads the providers' hosts to it, and nothing else."""

    port: int
    control: str
    proxy: str
    ca_file: str

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def gateway_settings(self) -> dict[str, str]:
        """The environment that lets a gateway talk to it, by either way."""
        return {
            "GATEWAY_PUSH_HOSTS": f"localhost:{self.port}",
            "GATEWAY_PUSH_CA_FILE": self.ca_file,
            "HTTPS_PROXY": self.proxy,
            "NO_PROXY": "localhost",
        }

    @classmethod
    def read(cls, file: Path) -> "Addresses":
        return cls(**json.loads(file.read_text()))


@contextmanager
def running_push_service(
    folder: Path, scenario: str = "healthy", *, http1: bool = False
) -> Iterator[Addresses]:
    """The fake push service as a child process, stopped at the end. RuntimeError when it does not start."""
    folder.mkdir(exist_ok=True)
    log = folder / "push.log"
    arguments = ["--folder", str(folder), "--scenario", scenario, *(["--http1"] if http1 else [])]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "loadtest.fake_push", *arguments],
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for the parent, which stops it in order
        )
    try:
        deadline = time.monotonic() + START_WITHIN
        while not (folder / ADDRESSES).exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the fake push service did not start:\n{log.read_text()}")
            time.sleep(0.02)
        yield Addresses.read(folder / ADDRESSES)
    finally:
        process.terminate()
        process.wait(timeout=10)


async def serve(folder: Path, plays: dict[Provider, Scenario], *, http1: bool) -> None:
    """Until SIGTERM or SIGINT."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    service = PushService(plays)
    runner = web.AppRunner(control_application(service), access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, 0).start()
    control = f"http://{LOOPBACK}:{runner.addresses[0][1]}"
    certificate = make_certificate(folder, tuple(HOSTS)) if http1 else None
    server = await loop.create_server(
        lambda: PushProtocol(service),
        LOOPBACK,
        0,
        ssl=None if certificate is None else certificate.server_context(),
        backlog=BACKLOG,
    )
    port = server.sockets[0].getsockname()[1]
    if certificate is not None:
        await _run(folder, stop, port, control, certificate.chain)
    else:
        with running_nginx(folder, root=_LOCATION, http=_upstream(port), names=tuple(HOSTS)) as front:
            await _run(folder, stop, front.port, control, front.ca_file)
    server.close()
    await runner.cleanup()


async def _run(folder: Path, stop: asyncio.Event, port: int, control: str, ca_file: Path) -> None:
    proxy = ConnectProxy({f"{host}:443": port for host in HOSTS})
    await proxy.start()
    addresses = Addresses(port, control, proxy.url, str(ca_file))
    draft = folder / f".{ADDRESSES}"
    draft.write_text(json.dumps(asdict(addresses)))
    draft.rename(folder / ADDRESSES)
    print(f"push service at {addresses.url}, control at {control}, proxy at {proxy.url}", flush=True)
    await stop.wait()
    (folder / ADDRESSES).unlink()
    await proxy.close()


_LOCATION = """location / {
      proxy_pass http://push;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_read_timeout 120s;
    }"""


def _upstream(port: int) -> str:
    return f"upstream push {{ server {LOOPBACK}:{port}; keepalive 1024; keepalive_requests 1000000; }}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="for certificates, push.json, nginx")
    parser.add_argument("--scenario", default="healthy", help="one for all, or provider=scenario,…")
    parser.add_argument("--http1", action="store_true", help="no nginx in front, HTTP/1.1 only")
    options = parser.parse_args()
    try:
        plays = parse_scenarios(options.scenario)
    except ValueError as exc:
        parser.error(str(exc))
    http1 = options.http1 or find_nginx() is None
    uvloop.run(serve(options.folder, plays, http1=http1))


if __name__ == "__main__":
    main()
