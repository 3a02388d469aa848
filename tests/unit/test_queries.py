import re
from importlib import import_module
from pathlib import Path

import pytest

import storage
from storage.queries import load, parse

ROOM = Path(str(storage.__file__)).parent


def test_a_block_without_dialect_serves_both() -> None:
    query = parse("things", "-- name: get\n-- why\nselect a from t where b = $2 and c = $1;\n")["get"]
    assert query.name == "things.get"
    assert query.sqlite == "select a from t where b = ?2 and c = ?1"
    assert query.postgres == "select a from t where b = $2 and c = $1"


def test_dialects_may_differ() -> None:
    query = parse("things", "-- name: x (sqlite)\nselect 1;\n-- name: x (postgres)\nselect 2;\n")["x"]
    assert (query.sqlite, query.postgres) == ("select 1", "select 2")


@pytest.mark.parametrize(
    "text",
    ["-- name: x (sqlite)\nselect 1;\n", "-- name: x\nselect 1;\n-- name: x\nselect 2;\n"],
    ids=["one dialect only", "twice"],
)
def test_a_malformed_file_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"things\.sql"):
        parse("things", text)


def test_lists_are_one_argument() -> None:
    where = "a in ids($1) and b in texts($2) and c in hashes($3)"
    query = parse("t", f"-- name: x\nselect 1 where {where}\n")["x"]
    assert "b in (select value from json_each(?2))" in query.sqlite
    assert "c in (select unhex(value) from json_each(?3))" in query.sqlite
    assert query.postgres.endswith("a = any($1::bigint[]) and b = any($2::text[]) and c = any($3::bytea[])")


def test_a_hint_for_one_dialect_is_a_comment_for_the_other() -> None:
    hinted = "-- name: x\nselect a from t /* sqlite: indexed by i */ where b /* postgres: for update */\n"
    query = parse("t", hinted)["x"]
    assert query.sqlite == "select a from t indexed by i where b /* postgres: for update */"
    assert query.postgres == "select a from t /* sqlite: indexed by i */ where b for update"


def test_a_list_of_rows_is_named_rows() -> None:
    query = parse("t", "-- name: x\nselect a from rows($1: a bigint,\n  b text) where true\n")["x"]
    assert query.sqlite == (
        "select a from (select json_extract(value, '$[0]') as a, json_extract(value, '$[1]') as b"
        " from json_each(?1)) as rows where true"
    )
    assert query.postgres == "select a from unnest($1::bigint[], $2::text[]) as rows(a, b) where true"


@pytest.mark.parametrize("path", sorted((ROOM / "sql").glob("*.sql")), ids=lambda path: path.stem)
def test_every_block_is_used_and_every_name_exists(path: Path) -> None:
    import_module(f"storage.{path.stem}")
    source = (ROOM / f"{path.stem}.py").read_text("utf-8")
    blocks = set(load(path.stem))
    named = set(re.findall(r'_SQL\["(\w+)"\]', source)) | set(re.findall(r'_store\(tx, "(\w+)"', source))
    for other in ROOM.glob("*.py"):  # a module that needs another's queries loads them under its name
        named |= set(re.findall(rf'_{path.stem.upper()}\["(\w+)"\]', other.read_text("utf-8")))
    if path.stem == "sites":
        named |= {block for block in blocks if block.startswith("purge_")}
    assert named == blocks
