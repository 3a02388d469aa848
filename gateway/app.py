"""Where concrete things are put together: this module knows which database, clock and transport are used."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry

from gateway.clock import SystemClock
from gateway.context import Context
from gateway.errors import CannotStart
from gateway.master_key import MasterKey, load_master_key
from gateway.settings import Settings
from gateway.webpush import CurlTransport, TransportLimits
from storage import meta
from storage.database import Database, Transaction
from storage.errors import SchemaMismatch, StorageUnavailable
from storage.ids import IdSource
from storage.opening import open_database

_FINGERPRINT = "master key fingerprint"


@asynccontextmanager
async def open_context(
    settings: Settings, *, migrate: bool = True, registry: CollectorRegistry | None = None
) -> AsyncIterator[Context]:
    """What use cases need, opened and closed. CannotStart says what to fix: data directory, database, key."""
    clock = SystemClock()
    master_key = load_master_key(settings.master_key, settings.data_dir)
    database = await _open_database(settings, migrate)
    try:
        await _check_master_key(database, master_key)
        yield Context(
            database=database,
            clock=clock,
            ids=IdSource(clock.now, secrets.randbits),
            master_key=master_key,
            settings=settings,
            push_hosts=settings.push_hosts,
            registry=registry or CollectorRegistry(),
        )
    finally:
        await database.close()


def make_transport(settings: Settings, limits: TransportLimits | None = None) -> CurlTransport:
    """The way to the push services; to be made inside the event loop that uses it."""
    return CurlTransport(ca_file=settings.push_ca_file, limits=limits)


async def _open_database(settings: Settings, migrate: bool) -> Database:
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        return await open_database(settings.database_url, migrate=migrate)
    except OSError as exc:
        raise CannotStart(
            f"The data directory {settings.data_dir} cannot be used ({exc.strerror}): set GATEWAY_DATA_DIR."
        ) from exc
    except StorageUnavailable as exc:
        raise CannotStart(exc.hint) from exc
    except SchemaMismatch as exc:
        raise CannotStart(str(exc)) from exc


async def _check_master_key(database: Database, master_key: MasterKey) -> None:
    """The first gateway on a database leaves its key's fingerprint there; all others must have that key."""

    async def body(tx: Transaction) -> str:
        return await meta.set_if_absent(tx, _FINGERPRINT, master_key.fingerprint)

    stored = await database.write(body)
    if stored != master_key.fingerprint:
        raise CannotStart(
            f"The database was made with another master key (its fingerprint is {stored}, this one's is "
            f"{master_key.fingerprint}): set GATEWAY_MASTER_KEY or GATEWAY_MASTER_KEY_FILE to the key "
            "that the other gateways of this database use."
        )
