"""SQLite's errors as ours (https://www.sqlite.org/rescode.html)."""

import sqlite3

from storage.errors import Conflict, NotFound, StorageError, StorageUnavailable

# By primary result code. What the operator can do, in one sentence each.
_HINTS = {
    sqlite3.SQLITE_BUSY: "Another process has held the database's write lock for too long; look for a"
    " stuck gateway,"
    " backup or shell on the same file",
    sqlite3.SQLITE_LOCKED: "Another connection of this process holds the database's lock; restart the"
    " gateway",
    sqlite3.SQLITE_FULL: "The disk that holds the database is full; free some space, nothing else needs"
    " to be done",
    sqlite3.SQLITE_READONLY: "The database cannot be written; check the owner and mode of the file and"
    " its directory,"
    " and that the file system is not mounted read-only",
    sqlite3.SQLITE_PERM: "The database may not be opened; check the owner and mode of the file and its"
    " directory",
    sqlite3.SQLITE_CANTOPEN: "The database file cannot be opened; check that its directory exists and is"
    " writable,"
    " and the limit of open files",
    sqlite3.SQLITE_IOERR: "The disk that holds the database reports errors; look at the kernel's log",
    sqlite3.SQLITE_PROTOCOL: "SQLite's locks do not work here; the database must be on a local file system",
    sqlite3.SQLITE_CORRUPT: "The database file is damaged; stop the gateway, keep a copy, restore a backup",
    sqlite3.SQLITE_NOTADB: "The file is not an SQLite database; check GATEWAY_DATABASE_URL",
    sqlite3.SQLITE_NOMEM: "There is not enough memory for the database",
}


def mapped(error: sqlite3.Error) -> StorageError:
    """Raise it `from error`. No hint holds a path, a statement or a value."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    if code in (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY):
        # "UNIQUE constraint failed: sites.id, …": names of columns, never values
        return Conflict(str(error).rpartition(": ")[2])
    if code == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
        return NotFound("row that this one refers to")
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    hint = _HINTS.get(code & 0xFF)
    if hint is not None:
        return StorageUnavailable(f"{hint} ({name}).")
    return StorageError(f"SQLite does not accept this: {error} ({name})")
