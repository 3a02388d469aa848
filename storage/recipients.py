"""Lists of recipients that were uploaded for a message: external ids, and what only each of them is told.

A list is written once and never changed, but for those who are erased. Several messages may have one (a
message and its duplicate); it is removed some time after the last of them has ended.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from storage.database import Row, Transaction
from storage.queries import load, make
from storage.subscription import RecipientRow

_SQL = load("recipients")

# The subscriptions lead, a window of their key; the list is looked into for each of them. `offset 0` is
# PostgreSQL's fence, `cross join` SQLite's.
_STEP = (
    "select {columns} from subscriptions s cross join"
    " /* sqlite: recipients r */"
    "/* postgres: lateral (select 1 from recipients"
    " where site_id = $1 and list_id = $4 and external_id = s.external_id offset 0) r */"
    " where s.site_id = $1 and s.id > $2 and s.id <= $3 and s.state = 'active'"
    " /* sqlite: and r.site_id = $1 and r.list_id = $4 and r.external_id = s.external_id */"
    " order by s.id"
)
_PLAIN = make("recipients.step", _STEP.format(columns="s.id, s.provider"))
_DETAILS = make(
    "recipients.step_details", _STEP.format(columns=", ".join(f"s.{name}" for name in RecipientRow._fields))
)


class Step(NamedTuple):
    """What one window of subscriptions holds. `end`: where the next one begins; `last`: there is none."""

    rows: Sequence[Row]
    end: int
    last: bool


async def begin(tx: Transaction, site_id: int, list_id: int, message_id: int, now: int) -> None:
    """A list that is coming in. Nothing reads it before `use`."""
    await tx.execute(_SQL["begin"], site_id, list_id, message_id, now)


async def add_many(tx: Transaction, site_id: int, list_id: int, rows: Sequence[tuple[str, str]]) -> set[str]:
    """Adds (external id, JSON) pairs to a list that is coming in; the external ids that are new to it."""
    if not rows:
        return set()
    added = await tx.fetch_rows(_SQL["add"], [(site_id, list_id, *row) for row in rows])
    return {row[0] for row in added}


async def exists(tx: Transaction, site_id: int, list_id: int) -> bool:
    """Whether it has not been removed."""
    return await tx.fetch_one(_SQL["exists"], site_id, list_id) is not None


async def use(tx: Transaction, site_id: int, list_id: int, message_id: int, now: int) -> bool:
    """The message has this list from now on, and no other. False when the list has been removed."""
    await tx.execute(_SQL["leave"], site_id, message_id, now)
    return bool(await tx.execute(_SQL["use"], site_id, list_id, message_id, now))


async def step(
    tx: Transaction,
    site_id: int,
    list_id: int,
    after_id: int,
    ceiling: int,
    size: int,
    *,
    details: bool = False,
) -> Step:
    """(id, provider) of active subscriptions of the list's names with after_id < id <= ceiling, by id.

    Looks at the next `size` subscriptions, whoever they are: each is judged once, by the name that it has at
    that moment. `details`: with the columns of RecipientRow instead.
    """
    found = await tx.fetch_one(_SQL["window"], site_id, after_id, ceiling, size - 1)
    end = ceiling if found is None else int(found[0])
    rows = await tx.fetch(_DETAILS if details else _PLAIN, site_id, after_id, end, list_id)
    return Step(rows, end, found is None)


async def data(tx: Transaction, site_id: int, list_id: int, names: Sequence[str]) -> Mapping[str, str]:
    """JSON by external id, of those that are on the list."""
    return {row[0]: row[1] for row in await tx.fetch(_SQL["data"], site_id, list_id, list(names))}


async def of_members(tx: Transaction, site_id: int, list_id: int, ids: Sequence[int]) -> Mapping[int, str]:
    """JSON by subscription id, of those whose name is on the list."""
    return {row[0]: row[1] for row in await tx.fetch(_SQL["of_members"], site_id, list_id, list(ids))}


async def unknown_after(
    tx: Transaction, site_id: int, list_id: int, after: str, limit: int
) -> tuple[int, str | None]:
    """Of the next `limit` names after `after`: how many nobody has, and the last of them; None: no more."""
    rows = await tx.fetch(_SQL["known"], site_id, list_id, after, limit)
    unknown = sum(1 for _, known in rows if not known)
    return unknown, rows[-1][0] if len(rows) == limit else None


async def erase(tx: Transaction, site_id: int, external_id: str) -> None:
    """What any list of the site has for them."""
    await tx.execute(_SQL["erase"], site_id, external_id)


async def forget(tx: Transaction, ended_before: int, left_before: int, limit: int = 1_000) -> int:
    """Removes rows of lists whose last message ended before `ended_before`, and of those that no message has
    had since `left_before`; how many, 0 when there are none left."""
    await tx.execute(_SQL["doom"], ended_before, left_before)
    for site_id, list_id in await tx.fetch(_SQL["doomed"]):
        removed = await tx.execute(_SQL["forget"], site_id, list_id, limit)
        return removed or await tx.execute(_SQL["forget_list"], site_id, list_id)
    return 0
