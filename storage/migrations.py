"""Numbered migrations: forward only, each in one transaction, under a lock, written once for both databases.

storage/migrations/0007_name.sql has number 7. A published file is never changed; what is wrong is put
right by the next one. The version of a database is the number of its last migration, in meta ('schema').
"""

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from storage.errors import SchemaTooNew, SchemaTooOld

_HERE = Path(__file__).parent / "migrations"
_SECTION = re.compile(r"^-- (?:only: (sqlite|postgres)|both)\s*$", re.MULTILINE)
_SPELLINGS = {
    "sqlite": {"id_key": "integer primary key", "bytes": "blob", "without_rowid": "without rowid"},
    "postgres": {"id_key": "bigint primary key", "bytes": "bytea", "without_rowid": ""},
}


@dataclass(frozen=True, slots=True)
class Migration:
    number: int
    text: str


def _load() -> tuple[Migration, ...]:
    files = sorted(_HERE.glob("[0-9]*.sql"))
    migrations = tuple(Migration(int(file.name[:4]), file.read_text("utf-8")) for file in files)
    if [migration.number for migration in migrations] != list(range(1, len(migrations) + 1)):
        raise ValueError("Migrations must be numbered 0001, 0002, … without a gap.")
    return migrations


MIGRATIONS = _load()


def check_version(found: int) -> None:
    """Raises SchemaTooNew or SchemaTooOld unless the database fits this release."""
    known = len(MIGRATIONS)
    if found > known:
        raise SchemaTooNew(found, known)
    if found < known:
        raise SchemaTooOld(found, known)


def sqlite_text(migration: Migration) -> Iterator[str]:
    """Its statements one by one: `executescript` would commit first."""
    statement = ""
    for line in _for(migration, "sqlite").splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def postgres_text(migration: Migration) -> str:
    """The whole script; PostgreSQL takes it in one piece."""
    return _for(migration, "postgres")


def _for(migration: Migration, dialect: str) -> str:
    parts = _SECTION.split(migration.text)
    wanted = [parts[0]]
    wanted += [text for only, text in zip(parts[1::2], parts[2::2], strict=True) if only in (None, dialect)]
    sql = "".join(wanted)
    for name, spelling in _SPELLINGS[dialect].items():
        sql = sql.replace("{" + name + "}", spelling)
    return sql
