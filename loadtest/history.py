"""A site's past for loadtest.expressions: visitors of whom something is known, and what they were sent.

Whom a message reached, who saw and who clicked it depends on a visitor's number (storage_million makes an id
every 15 ms) and on nothing else, so that the rows are written by the database itself.
"""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from loadtest.storage_million import SITE, Visitors
from storage import audiences, messages, rollups, subscriptions
from storage.batches import BULK
from storage.conditions import Every
from storage.database import Database, Transaction
from storage.ids import MAX_ID, IdSource
from storage.messages import Message, MessageState, Priority
from storage.queries import make
from storage.rollups import Rollup
from storage.subscription import ACCEPTED_AGAIN_AFTER
from storage.subscriptions import NewSubscription

DAY = 86_400_000
GROUPS = 1_000  # a visitor's group: their number modulo so many
ID_STEP = 62_914_560  # between two ids of storage_million
STEP = 20_000

_PLACES = (  # weight, language, time zone, country
    (30, "de-DE", "Europe/Berlin", "DE"),
    (15, "de-AT", "Europe/Vienna", "AT"),
    (20, "en-US", "America/New_York", "US"),
    (10, "en-GB", "Europe/London", "GB"),
    (10, "fr-FR", "Europe/Paris", "FR"),
    (5, "ja-JP", "Asia/Tokyo", "JP"),
    (5, "hi-IN", "Asia/Kolkata", "IN"),
    (5, None, None, None),
)
_BROWSERS = (
    (55, "chrome", "android"),
    (20, "chrome", "windows"),
    (12, "firefox", "windows"),
    (5, "safari", "macos"),
    (8, "edge", "windows"),
)
_INTERESTS = tuple(f"interest-{number}" for number in range(20))
_CITIES = ("Berlin", "Hamburg", "Wien", "London", "New York", "Paris", "Tokyo", "Mumbai")


class KnownVisitors(Visitors):
    """With three tags and six attributes each, a language, a zone, a country, a browser."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._about = random.Random(seed + 1)

    def next(self) -> tuple[int, NewSubscription]:
        id, new = super().next()
        choose = self._about
        _, language, zone, country = choose.choices(_PLACES, [each[0] for each in _PLACES])[0]
        _, browser, platform = choose.choices(_BROWSERS, [each[0] for each in _BROWSERS])[0]
        first = "vip" if choose.random() < 0.01 else "sale" if choose.random() < 0.33 else "regular"
        tags = (first, *choose.sample(_INTERESTS, 2))
        order = f"2026-{choose.randrange(1, 12):02}-{choose.randrange(1, 29):02}T10:00:00Z"
        attributes = {
            "first_name": choose.choice(("Ann", "Maximilian", "Yuki", "Priya")),
            "city": choose.choice(_CITIES),
            "plan": "pro" if choose.random() < 0.3 else "free",
            "visits": choose.randrange(200),
            "newsletter": choose.random() < 0.5,
            "last_order": order,
        }
        return id, replace(
            new, language=language, timezone=zone, country=country, browser=browser, platform=platform,
            tags=tags, attributes=attributes,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sent:
    """A message of the past: the groups that it reached, that saw it and that clicked."""

    id: int
    at: int
    reached: Sequence[int]
    displayed: Sequence[int]
    clicked: Sequence[int]


def thirty_messages(now: int, ids: IdSource) -> list[Sent]:
    """20 until eight days ago, one of four to everybody, the others to a sixth. Then ten in six days, each to
    a third of three quarters: one quarter was sent nothing of late, which is what is dear to find out.
    """
    choose = random.Random(5)
    sent = []
    for number in range(30):
        late = number >= 20
        days = (30 - number) * 0.6 if late else 60 - number * 2.7
        share = 0.33 if late else 1 if number % 4 == 0 else 0.17
        possible = [group for group in range(GROUPS) if not late or group % 4]
        reached = [group for group in possible if choose.random() < share]
        displayed = [group for group in reached if choose.random() < 0.3]
        clicked = [group for group in displayed if choose.random() < 0.15]
        sent.append(Sent(ids.next(), now - round(days * DAY), reached, displayed, clicked))
    return sent


_OF_GROUPS = "site_id = $1 and {id} > $2 and {id} <= $3 and ({id} / 62914560) % 1000 in ids($4)"
_DELIVERED = make(
    "delivered",
    "insert into deliveries (site_id, message_id, subscription_id, attempt, outcome, code, at)"
    " select site_id, cast($5 as bigint), id, 1, 'accepted', 201, cast($6 as bigint)"
    f" from subscriptions where {_OF_GROUPS.format(id='id')}",
)
_REPORTED = make(
    "reported",
    "insert into events (site_id, message_id, subscription_id, kind, at)"
    " select site_id, message_id, subscription_id, cast($7 as text), cast($6 as bigint)"
    f" from deliveries where message_id = $5 and {_OF_GROUPS.format(id='subscription_id')}",
)
_KNOWN = make(
    "known",
    """update subscriptions
    set displayed_at = rows.displayed_at, clicked_at = rows.clicked_at, seen_at = rows.seen_at
    from rows($1: site_id bigint, id bigint, displayed_at bigint, clicked_at bigint, seen_at bigint)
    where subscriptions.site_id = rows.site_id and subscriptions.id = rows.id""",
)


async def remember(database: Database, ids: IdSource, now: int) -> tuple[list[Sent], int]:
    """Writes what became of the messages; they, and how many deliveries that was."""
    sent = thirty_messages(now, ids)
    for each in sent:
        await database.write(lambda tx, each=each: messages.add(tx, _message(each)))  # type: ignore[misc]
    ends = await _windows(database)
    accepted = 0
    for each in sent:
        n = 0
        for after, end in ends:
            n += await database.write(lambda tx, a=after, e=end, each=each: _report(tx, a, e, each))  # type: ignore[misc]
        row = Rollup(SITE, each.id, 0, "fcm", each.at, "accepted", n)
        await database.write(lambda tx, row=row: rollups.add_many(tx, [row]))  # type: ignore[misc]
        accepted += n
    habits = _habits(sent, now)
    for after, end in ends:
        await database.write(lambda tx, a=after, e=end: _know(tx, a, e, habits))  # type: ignore[misc]
    return sent, accepted


async def _windows(database: Database) -> list[tuple[int, int]]:
    windows, after, last = [], 0, False
    while not last:

        async def look(tx: Transaction, after: int = after) -> audiences.Window:
            return await audiences.count(tx, SITE, Every(()), after, MAX_ID, STEP)

        _, end, last = await database.read(look)
        windows.append((after, end))
        after = end
    return windows


async def _report(tx: Transaction, after: int, end: int, sent: Sent) -> int:
    n = await tx.execute(_DELIVERED, SITE, after, end, list(sent.reached), sent.id, sent.at)
    for kind, groups in (("displayed", sent.displayed), ("clicked", sent.clicked)):
        await tx.execute(_REPORTED, SITE, after, end, list(groups), sent.id, sent.at + 60_000, kind)
    return n


Habit = tuple[int | None, int | None, int | None, int]  # accepted, displayed, clicked, seen


def _habits(sent: Sequence[Sent], now: int) -> list[Habit]:
    """What the row of each group's visitors says, `accepted_at` as coarsely as senders write it."""
    found: list[Habit] = []
    for group in range(GROUPS):
        accepted, displayed, clicked = None, None, None
        for each in sent:
            if group in each.reached and (accepted is None or accepted + ACCEPTED_AGAIN_AFTER < each.at):
                accepted = each.at
            displayed = each.at + 60_000 if group in each.displayed else displayed
            clicked = each.at + 60_000 if group in each.clicked else clicked
        found.append((accepted, displayed, clicked, now - group * 180 * DAY // GROUPS))
    return found


async def _know(tx: Transaction, after: int, end: int, habits: Sequence[Habit]) -> None:
    window = await audiences.step(tx, SITE, Every(()), after, end, STEP)
    accepted: defaultdict[int, list[int]] = defaultdict(list)
    rows = []
    for id, _ in window.rows:
        accepted_at, *others = habits[id // ID_STEP % GROUPS]
        rows.append((SITE, id, *others))
        if accepted_at is not None:
            accepted[accepted_at].append(id)
    if rows:
        await tx.execute_rows(_KNOWN, rows)
    for at, some in accepted.items():
        await subscriptions.accepted(tx, SITE, some, at)


def _message(sent: Sent) -> Message:
    return Message(
        id=sent.id, site_id=SITE, priority=Priority.BULK, lane=BULK, content="{}",
        audience_spec='{"all":true}', ttl=86_400, send_at=sent.at, created_at=sent.at,
        state=MessageState.SENT,
    )  # fmt: skip
