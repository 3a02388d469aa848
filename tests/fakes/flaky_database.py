"""A database that is there or is not, as the test says."""

from storage.database import Body, Database, T
from storage.errors import StorageUnavailable


class FlakyDatabase:
    """`down` makes every use fail, `unreadable` every read; `lose_commits` commits and then says it failed.

    Counts its uses, and how many it refused.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.dialect = database.dialect
        self.timings = database.timings
        self.down = False
        self.unreadable = False
        self.lose_commits = False
        self.refused = self.reads = self.writes = 0

    async def read(self, body: Body[T]) -> T:
        self._check(self.down or self.unreadable)
        self.reads += 1
        return await self._database.read(body)

    async def read_apart(self, body: Body[T]) -> T:
        self._check(self.down or self.unreadable)
        self.reads += 1
        return await self._database.read_apart(body)

    async def write(self, body: Body[T]) -> T:
        self._check(self.down)
        self.writes += 1
        result = await self._database.write(body)
        if self.lose_commits:
            raise StorageUnavailable("The connection broke during the commit.")
        return result

    async def wait_for_work(self, timeout: float) -> None:
        await self._database.wait_for_work(timeout)

    async def notify_work(self) -> None:
        await self._database.notify_work()

    async def close(self) -> None:
        await self._database.close()

    def _check(self, down: bool) -> None:
        if down:
            self.refused += 1
            raise StorageUnavailable("The database is switched off.")
