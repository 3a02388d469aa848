"""Whom a condition means among a site's subscriptions: walked in windows of the key, nothing sorted.

A window is bounded by what is looked at, not by what is found: a condition that holds for nobody is no longer
to answer than one that holds for everybody, and no read transaction outlives a window.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from storage.condition_sql import Writer
from storage.conditions import Condition, Every, HasTag, driving_tag, times_received
from storage.database import Row, Transaction, Value
from storage.ids import MAX_ID
from storage.queries import Query, load, make
from storage.received import Sent, Settled, sent_since, settle
from storage.subscription import RecipientRow

_SQL = load("audiences")

_SCAN = "subscriptions s where s.site_id = $1 and s.id > $2 and s.id <= $3"
# The tag's index leads, on both databases: `offset 0` is PostgreSQL's fence, `cross join` SQLite's.
_BY_TAG = (
    "subscription_tags t cross join"
    " /* sqlite: subscriptions s */"
    "/* postgres: lateral (select * from subscriptions where site_id = t.site_id and id = t.subscription_id"
    " offset 0) s */"
    " where t.site_id = $1 and t.tag = $4 and t.subscription_id > $2 and t.subscription_id <= $3"
    " /* sqlite: and s.site_id = t.site_id and s.id = t.subscription_id */"
)


class Window(NamedTuple):
    """What one window found. `end`: where the next one begins; `last`: there is none."""

    rows: Sequence[Row]
    end: int
    last: bool


async def step(
    tx: Transaction,
    site_id: int,
    condition: Condition,
    after_id: int,
    ceiling: int,
    size: int,
    *,
    details: bool = False,
    sent: Mapping[int, Sent] | None = None,
) -> Window:
    """(id, provider) of active ones with after_id < id <= ceiling, by id, of the next `size` there are.

    `details`: with the columns of RecipientRow instead. `sent`: as for `count`.
    """
    columns = ", ".join(f"s.{name}" for name in RecipientRow._fields) if details else "s.id, s.provider"
    tag = driving_tag(condition)
    order = "s.id" if tag is None else "t.subscription_id"
    select, tail = f"select {columns}", f"order by {order}"
    return await _window(tx, site_id, condition, after_id, ceiling, size, select, tail, sent)


async def count(
    tx: Transaction,
    site_id: int,
    condition: Condition,
    after_id: int,
    ceiling: int,
    size: int,
    sent: Mapping[int, Sent] | None = None,
) -> Window:
    """As `step`, with rows (provider, how many). `sent`: what `look` found for all windows of one count."""
    select, tail = "select s.provider, count(*)", "group by s.provider"
    return await _window(tx, site_id, condition, after_id, ceiling, size, select, tail, sent)


async def look(
    tx: Transaction, site_id: int, condition: Condition, after_id: int = 0, ceiling: int = MAX_ID
) -> Mapping[int, Sent]:
    """By the `since` of each ReceivedSince what was sent to subscriptions with after_id < id <= ceiling."""
    return {
        since: await sent_since(tx, site_id, since, after_id, ceiling) for since in times_received(condition)
    }


async def _window(
    tx: Transaction,
    site_id: int,
    condition: Condition,
    after_id: int,
    ceiling: int,
    size: int,
    select: str,
    tail: str,
    sent: Mapping[int, Sent] | None = None,
) -> Window:
    tag = driving_tag(condition)
    if tag is None:
        found = await tx.fetch_one(_SQL["window"], site_id, after_id, ceiling, size - 1)
    else:
        found = await tx.fetch_one(_SQL["window_of_tag"], site_id, after_id, ceiling, size - 1, tag)
    end = ceiling if found is None else found[0]
    if sent is None:
        sent = await look(tx, site_id, condition, after_id, end)
    settled = {
        since: await settle(tx, site_id, since, about, after_id, end, size, tag)
        for since, about in sent.items()
    }
    query, args = _query(site_id, condition, after_id, end, settled, select, tail)
    return Window(await tx.fetch(query, *args), end, found is None)


def _query(
    site_id: int,
    condition: Condition,
    after_id: int,
    end: int,
    settled: Mapping[int, Settled],
    select: str,
    tail: str,
) -> tuple[Query, Sequence[Value]]:
    """The text holds no value of the condition, only constants and numbers of parameters."""
    writer, tag, source = Writer([site_id, after_id, end], settled), driving_tag(condition), _SCAN
    if tag is not None:
        writer.add(tag)
        source = _BY_TAG
    text = f"{select} from {source} and s.state = 'active' and {writer.write(_rest(condition, tag))} {tail}"
    return make("audiences.matching", text), writer.args


def _rest(condition: Condition, tag: str | None) -> Condition:
    """What is still to be asked of those who have the tag."""
    if tag is None:
        return condition
    if condition == HasTag(tag):
        return Every(())
    assert isinstance(condition, Every), "a tag drives from the top conjunction only"
    return Every(tuple(_rest(part, tag) if driving_tag(part) == tag else part for part in condition.parts))
