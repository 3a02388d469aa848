"""What a round needs: a database, one gateway or two on it, a push service that counts, a site."""

import secrets
import socket
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtest.chaos.gateway import Gateway
from loadtest.chaos.postgres import Postgres
from loadtest.chaos.sink import CountingSink, Pace, counting_sink
from storage.ids import Kind, decode_id

ORIGIN = "https://chaos.example"


@dataclass(frozen=True, slots=True)
class Stand:
    gateways: Sequence[Gateway]
    sink: CountingSink
    database_url: str
    postgres: Postgres | None
    site: str

    @property
    def site_id(self) -> int:
        return decode_id(Kind.SITE, self.site)


@asynccontextmanager
async def open_stand(
    folder: Path, postgres: Postgres | None = None, *, pace: Pace | None = None, data: Path | None = None
) -> AsyncIterator[Stand]:
    """Everything runs; nothing is left in the end. SQLite in `data`, or two gateways on one PostgreSQL."""
    async with AsyncExitStack() as stack:
        if postgres is not None:
            await postgres.create()
            url = postgres.url
        else:
            url = f"sqlite:///{(data or folder) / 'chaos.db'}"
        sink = stack.enter_context(counting_sink(folder, pace or Pace()))
        token, key = secrets.token_urlsafe(32), b64encode(secrets.token_bytes(32)).decode()
        gateways = []
        for number in range(1 if postgres is None else 2):
            settings = {
                "GATEWAY_SENDERS": "2",
                "GATEWAY_DATABASE_URL": url,
                "GATEWAY_MASTER_KEY": key,
                "GATEWAY_PUSH_HOSTS": f"localhost:{sink.sink.port}",
                "GATEWAY_PUSH_CA_FILE": str(sink.sink.ca_file),
            }
            gateway = Gateway(folder / f"gateway-{number}", _free_port(), token, settings)
            stack.push_async_callback(gateway.close)
            await gateway.start()
            gateways.append(gateway)
        new = {"name": "Chaos", "origins": [ORIGIN], "contact": "mailto:ops@chaos.example"}
        site = await gateways[0].call("POST", "/v1/sites", new)
        yield Stand(gateways, sink, url, postgres, site["id"])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
