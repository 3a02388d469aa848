"""Named SQL blocks, written once with `$1`, made ready for both databases when they are loaded.

A file of storage/sql is a sequence of blocks:

    -- name: get                      one text for both
    -- name: by_tag (sqlite)          two texts, only where the dialects must differ
    -- name: by_tag (postgres)
    /* sqlite: indexed by x */       read by SQLite, a comment for PostgreSQL
    /* postgres: for update */       the other way round

SQLite reads `$1` as a *name* and numbers it by first appearance, so that `select $2, $1` silently swaps
its arguments: it gets `?1`, which is a position. Lists are one argument:

    id in ids($2)        int64s      SQLite: JSON text through json_each   PostgreSQL: = any($2::bigint[])
    x in texts($2)       strings                                           PostgreSQL: = any($2::text[])
    x in hashes($2)      bytes       (unhex is a function of ours)         PostgreSQL: = any($2::bytea[])
    rows($1: a bigint, b text)       a whole list of rows, named `rows`: json_each there, unnest here;
                                     the query's only argument (`fetch_rows`, `execute_rows`)
    groups($1: a bigint, b text; c bigint, d bigint)
                                     the same for rows of which many share a and b (`fetch_groups`): it takes
                                     SQLite half as long, because it reads what they share only once
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).parent / "sql"
_NAME = re.compile(r"^-- name: (\w+)(?: \((sqlite|postgres)\))?\s*$", re.MULTILINE)
_COMMENT = re.compile(r"^\s*--.*$\n?", re.MULTILINE)
_PARAMETER = re.compile(r"\$(\d+)")
_LIST = re.compile(r"\bin (ids|texts|hashes)\((\$\d+)\)")
_HINT = re.compile(r"/\* (sqlite|postgres): (.*?) \*/")
_ROWS = re.compile(r"\brows\(\$1: ([^)]*)\)")
_GROUPS = re.compile(r"\bgroups\(\$1: ([^;)]*); (\w+ \w+), (\w+ \w+)\)")
_POSTGRES_LISTS = {"ids": "bigint", "texts": "text", "hashes": "bytea"}


@dataclass(frozen=True, slots=True)
class Query:
    name: str
    sqlite: str
    postgres: str


def load(aggregate: str) -> Mapping[str, Query]:
    """The blocks of `storage/sql/<aggregate>.sql` by name. A malformed file raises ValueError at import."""
    return parse(aggregate, (_HERE / f"{aggregate}.sql").read_text("utf-8"))


def parse(aggregate: str, text: str) -> Mapping[str, Query]:
    texts: dict[str, dict[str, str]] = {}
    parts = _NAME.split(text)
    for name, dialect, body in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        sql = _COMMENT.sub("", body).strip().rstrip(";")
        for each in (dialect,) if dialect else ("sqlite", "postgres"):
            if each in texts.setdefault(name, {}):
                raise ValueError(f"{aggregate}.sql has two blocks {name} for {each}")
            texts[name][each] = sql
    for name, by_dialect in texts.items():
        if len(by_dialect) != 2:
            raise ValueError(f"{aggregate}.sql has {name} for one dialect only")
    return {
        name: Query(f"{aggregate}.{name}", _for_sqlite(both["sqlite"]), _for_postgres(both["postgres"]))
        for name, both in texts.items()
    }


def make(name: str, text: str) -> Query:
    """One that was put together from constants, in the same language; for storage.audiences."""
    return Query(name, _for_sqlite(text), _for_postgres(text))


def _for_sqlite(sql: str) -> str:
    sql = _GROUPS.sub(_json_groups, _ROWS.sub(_json_rows, _hinted(sql, "sqlite")))
    sql = _LIST.sub(_json_list, sql)
    return _PARAMETER.sub(r"?\1", sql)


def _hinted(sql: str, dialect: str) -> str:
    return _HINT.sub(lambda match: match[2] if match[1] == dialect else match[0], sql)


def _json_list(match: re.Match[str]) -> str:
    value = "unhex(value)" if match[1] == "hashes" else "value"
    return f"in (select {value} from json_each({match[2]}))"  # noqa: S608 - constants


def _json_rows(match: re.Match[str]) -> str:
    columns = ", ".join(
        f"json_extract(value, '$[{position}]') as {column}"
        for position, (column, _) in enumerate(_columns(match[1]))
    )
    return f"(select {columns} from json_each($1)) as rows"  # noqa: S608 - our own SQL files


def _json_groups(match: re.Match[str]) -> str:
    """Of [[a, b, {c: d, …}], …]. `limit -1` is a fence: without the inner one SQLite extracts a and b anew
    for each row, without the outer one it looks at c and d after the table that they are joined to."""
    shared = [column for column, _ in _columns(match[1])]
    (key, _), (value, _) = _columns(f"{match[2]}, {match[3]}")
    extracted = ", ".join(
        f"json_extract(value, '$[{position}]') as {column}"
        for position, column in enumerate([*shared, "members"])
    )
    return (
        f"(select {', '.join(shared)}, cast(member.key as integer) as {key}, member.value as {value}"  # noqa: S608
        f" from (select {extracted} from json_each($1) limit -1) as shared"
        " cross join json_each(shared.members) as member limit -1) as rows"
    )


def _for_postgres(sql: str) -> str:
    sql = _GROUPS.sub(lambda match: f"rows($1: {', '.join(match.groups())})", _hinted(sql, "postgres"))
    sql = _ROWS.sub(_unnest_rows, sql)
    return _LIST.sub(lambda match: f"= any({match[2]}::{_POSTGRES_LISTS[match[1]]}[])", sql)


def _unnest_rows(match: re.Match[str]) -> str:
    columns = _columns(match[1])
    arrays = ", ".join(f"${position}::{kind}[]" for position, (_, kind) in enumerate(columns, start=1))
    return f"unnest({arrays}) as rows({', '.join(column for column, _ in columns)})"


def _columns(declared: str) -> list[tuple[str, str]]:
    pairs = [column.split() for column in declared.split(",")]
    return [(name, kind) for name, kind in pairs]
