"""What expressions cost: whole sites estimated by the index of tags and by scans. For storage_million."""

from storage import audiences
from storage.conditions import (
    Condition,
    Either,
    Every,
    HasAttribute,
    HasTag,
    LanguageIs,
    Not,
    Op,
    ReceivedSince,
    TextColumn,
    TextIs,
    TimeColumn,
    TimeIs,
)
from storage.database import Database, Transaction
from storage.ids import MAX_ID
from storage.queries import make

WINDOW = 20_000  # as gateway.estimates.WINDOW
DAY = 86_400_000

TAGGED = Every((HasTag("vip"), HasAttribute("plan", Op.EQ, ("pro",))))


def conditions(now: int) -> dict[str, Condition]:
    """A name and a condition each."""
    pro = HasAttribute("plan", Op.EQ, ("pro",))
    return {
        "everybody": Every(()),
        "a tag of one in 100, by its index": HasTag("vip"),
        "a tag of one in 3 and an attribute": Every((HasTag("sale"), pro)),
        "either tag, a scan": Either((HasTag("vip"), HasTag("sale"))),
        "an attribute, a scan": pro,
        "an attribute that is a time": HasAttribute("last_order", Op.GT, ("2026-06-01T00:00:00Z",)),
        "received within 30 days": ReceivedSince(now - 30 * DAY),
        "six conditions, a scan": Every(
            (
                LanguageIs("en"),
                TextIs(TextColumn.TIMEZONE, "Europe/Vienna"),
                pro,
                Not(HasTag("vip")),
                TimeIs(TimeColumn.SEEN, since=now - 90 * DAY),
                Not(TimeIs(TimeColumn.CLICKED, since=now - 30 * DAY)),
            )
        ),
    }


_LABEL = make(
    "label",
    # storage_million makes an id every 15 ms
    """update subscriptions set tags = $4, attributes = $5
    where site_id = $1 and id > $2 and id <= $3
        and (id / 62914560) % 100 >= $6 and (id / 62914560) % 100 < $7""",
)
# Hundredths of the subscriptions, with tags and attributes.
_SHARES = (
    (0, 1, '["vip"]', '{"plan":"pro","visits":41}'),
    (1, 34, '["sale","news"]', '{"plan":"pro","visits":7,"last_order":"2026-08-03T10:00:00Z"}'),
    (34, 70, None, '{"plan":"free","visits":3,"last_order":"2026-02-03T10:00:00Z"}'),
)


async def label(database: Database, site_id: int) -> None:
    """Gives a site's subscriptions tags and attributes."""
    after, last = 0, False
    while not last:

        async def body(tx: Transaction, after: int = after) -> tuple[int, bool]:
            window = await audiences.count(tx, site_id, Every(()), after, MAX_ID, WINDOW)
            for low, high, tags, attributes in _SHARES:
                await tx.execute(_LABEL, site_id, after, window.end, tags, attributes, low, high)
            return window.end, window.last

        after, last = await database.write(body)


async def estimate(database: Database, site_id: int, condition: Condition) -> int:
    """As gateway.estimates: in windows, apart."""
    count, after, last = 0, 0, False
    while not last:

        async def look(tx: Transaction, after: int = after) -> audiences.Window:
            return await audiences.count(tx, site_id, condition, after, MAX_ID, WINDOW)

        rows, after, last = await database.read_apart(look)
        count += sum(n for _, n in rows)
    return count
