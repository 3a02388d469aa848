"""The one place that knows which databases there are."""

from storage.database import Database
from storage.postgres import open_postgres
from storage.sqlite import open_sqlite


async def open_database(url: str, *, migrate: bool, write_pause: float = 0.020) -> Database:
    """Opens `sqlite:///relative`, `sqlite:////absolute` or `postgresql://…`.

    With `migrate` the schema is brought up to date first (safe in any number of processes at once);
    without, a schema that is not exactly this release's is refused.
    `write_pause`: seconds that a SQLite process leaves between two write transactions, because SQLite's lock
    is unfair; tests of one process set 0.
    Raises StorageUnavailable, SchemaTooNew, SchemaTooOld; ValueError for any other URL.
    """
    if url.startswith("sqlite:///"):
        return await open_sqlite(url.removeprefix("sqlite:///"), migrate=migrate, write_pause=write_pause)
    if url.startswith(("postgresql://", "postgres://")):
        return await open_postgres(url, migrate=migrate)
    raise ValueError("A database URL starts with sqlite:/// or postgresql://.")
