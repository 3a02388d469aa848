"""A PostgreSQL server of our own that can be restarted in the middle, or told to take no writes."""

import asyncio
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import Any

import asyncpg

NAME = "gateway"
RESTART_WITHIN = 60


class Postgres:
    """A running server; `url` is the gateway's database on it."""

    def __init__(self, server: Any, control: Callable[..., object]) -> None:
        self._server = server
        self._control = control  # pg_ctl
        self.url: str = server.get_uri(database=NAME)

    async def create(self) -> None:
        """An empty database, whatever was there before."""
        await self._tell(f"drop database if exists {NAME} with (force)", f"create database {NAME}")

    async def restart(self) -> None:
        """As after a power cut: connections break, transactions are lost, the log is recovered."""
        await asyncio.to_thread(self._restart)

    async def set_read_only(self, read_only: bool) -> None:
        """Refuse all writes from now on, as a replica does; connections stay."""
        await self._tell(
            f"alter system set default_transaction_read_only = {'on' if read_only else 'off'}",
            "select pg_reload_conf()",
        )

    def _restart(self) -> None:
        server = self._server
        # The options of the start (socket directory, no TCP) are in postmaster.opts: a restart keeps them.
        arguments = ["-w", "-m", "immediate", "-l", str(server.log), "restart"]
        self._control(arguments, pgdata=server.pgdata, user=server.system_user, timeout=RESTART_WITHIN)
        server.ensure_postgres_running()  # so that it knows the new process, which it is to stop in the end

    async def _tell(self, *statements: str) -> None:
        admin = await asyncpg.connect(self._server.get_uri(database="postgres"))
        try:
            await admin.execute("set default_transaction_read_only = off")
            for statement in statements:
                await admin.execute(statement)
        finally:
            await admin.close()


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """PyPI's pgserver, stopped and removed in the end."""
    folder = Path(tempfile.mkdtemp(prefix="gateway-chaos-postgres-"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its platformdirs warns about XDG_RUNTIME_DIR while importing
        from pgserver import postgres_server as pgserver

        server = pgserver.get_server(folder / "data", cleanup_mode="stop")
    try:
        yield Postgres(server, pgserver.pg_ctl)  # type: ignore[attr-defined]
    finally:
        server.cleanup()
        rmtree(folder, ignore_errors=True)
