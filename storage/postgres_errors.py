"""asyncpg's errors as ours (https://www.postgresql.org/docs/current/errcodes-appendix.html)."""

import asyncpg

from storage.errors import Conflict, NotFound, StorageError, StorageUnavailable

# Everything asyncpg raises by itself or from the server; TimeoutError is the driver's own time-out,
# OSError the network's.
DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)

# By the beginning of the SQLSTATE, the longer first. What the operator can do, in one sentence each.
_HINTS = {
    "53100": "The disk of the PostgreSQL server is full; free some space there, nothing else needs to be"
    " done",
    "53300": "PostgreSQL has no connection to spare; raise max_connections or run fewer processes",
    "53": "The PostgreSQL server lacks a resource; look at its log",
    "25006": "PostgreSQL takes no writes: GATEWAY_DATABASE_URL points to a standby, or the server is"
    " read-only",
    "28": "PostgreSQL refuses user or password; check GATEWAY_DATABASE_URL and pg_hba.conf",
    "3D000": "The PostgreSQL server has no such database; create it or correct GATEWAY_DATABASE_URL",
    "42501": "The PostgreSQL user may not do this; it must own the gateway's tables",
    "57014": "PostgreSQL cancelled a statement that took too long; look at its load and locks",
    "57": "The PostgreSQL server is starting or stopping",
    "58": "The PostgreSQL server's disk or operating system reports errors; look at its log",
    "08": "The connection to PostgreSQL broke",
    "40": "PostgreSQL ended the transaction because of others again and again; look at its load",
    "XX": "PostgreSQL reports damage or a bug of its own; look at its log",
}
_UNREACHABLE = "PostgreSQL cannot be reached; check that it runs and that GATEWAY_DATABASE_URL names it"


def mapped(error: Exception) -> StorageError:
    """Raise it `from error`. No hint holds a host, a statement or a value."""
    if isinstance(error, asyncpg.UniqueViolationError):
        return Conflict(error.constraint_name or "unique constraint")
    if isinstance(error, asyncpg.ForeignKeyViolationError):
        return NotFound("row that this one refers to")
    if isinstance(error, asyncpg.PostgresError):
        code = error.sqlstate or ""
        for beginning, hint in _HINTS.items():
            if code.startswith(beginning):
                return StorageUnavailable(f"{hint} (SQLSTATE {code}).")
        return StorageError(f"PostgreSQL does not accept this: {error} (SQLSTATE {code})")
    if isinstance(error, asyncpg.DataError | asyncpg.UnsupportedClientFeatureError):
        return StorageError(f"asyncpg does not accept this: {error}")
    return StorageUnavailable(f"{_UNREACHABLE} ({type(error).__name__}).")
