"""What an expression means: the SQL that it becomes, against a few lines of Python, on both databases."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

import msgspec
import pytest

from storage import audiences, deliveries, events, received, subscriptions
from storage.conditions import (
    Condition,
    Either,
    Every,
    HasAttribute,
    HasTag,
    LanguageIs,
    Not,
    Op,
    Received,
    ReceivedSince,
    Reported,
    TextColumn,
    TextIs,
    TimeColumn,
    TimeIs,
    driving_tag,
)
from storage.database import Database, Transaction
from storage.events import Event, EventKind
from storage.ids import MAX_ID
from storage.queries import Query, make
from storage.received import Asked, Sent, Settled, Unreached
from storage.subscription import ACCEPTED_AGAIN_AFTER, RecipientRow
from tests.contract.rows import HOUR, NOW, SITE, add_sending, add_site, new_subscription, result

MESSAGES = (601, 602)
DAY = 24 * HOUR
TAGS = ("vip", "sale", "Wien é", "it's", 'a"b\\', "%", "_")
NAMES = ("plan", "visits", 'odd "name\\', "größe", "a.b", "$[0]")
VALUES: tuple[Any, ...] = (
    "pro",
    "Pro",
    "zoo",
    "ärger",
    "",
    "it's; drop table subscriptions --",
    "5",
    "true",
    0,
    1,
    5,
    -3,
    1.0,
    0.1,
    2.5e17,
    2**53,
    True,
    False,
    "2026-01-01T00:00:00Z",
    "2026-01-01T01:00:00+01:00",
    "2026-01-01T00:00:00.250Z",
    "2026-01-01T00:00:00.250500Z",
    "2026-01-01T00:00:00.252500Z",
    "2026-01-01T14:58:00+14:59",  # half a day away by its text, a minute by the clock
    "2025-12-31T09:02:00-14:59",
    "0001-01-01T00:30:00Z",
    "9999-12-31T23:30:00Z",
    "2025-12-31T23:59:59-11:30",
    "2026-02-30T00:00:00Z",
    "2026-01-01T24:00:00Z",
    "2026-01-01T00:00:00",
    "2026-01-01T00:00:00 Z",
    "2026-01-01",
    "12:00",
    "now",
)
LANGUAGES = ("de", "de-AT", "DE-at", "den", "en", "en-US")


@dataclass(frozen=True)
class Visitor:
    id: int
    fields: Mapping[str, Any]  # columns
    tags: Sequence[str]
    attributes: Mapping[str, Any]
    accepted: Mapping[int, int]  # message → when
    reported: frozenset[tuple[str, int]]


def meets(condition: Condition, visitor: Visitor) -> bool:
    """The meaning of an expression, as simple as it can be said."""
    match condition:
        case Every(parts):
            return all(meets(part, visitor) for part in parts)
        case Either(parts):
            return any(meets(part, visitor) for part in parts)
        case Not(part):
            return not meets(part, visitor)
        case HasTag(tag):
            return tag in visitor.tags
        case TextIs(column, value):
            return bool(visitor.fields.get(column) == value)
        case LanguageIs(language):
            stored = (visitor.fields["language"] or "").lower()
            return bool(stored == language.lower() or stored.startswith(language.lower() + "-"))
        case TimeIs(column, since, before):
            at = visitor.fields.get(column)
            return at is not None and (since is None or at >= since) and (before is None or at < before)
        case Received(message_id):
            return message_id in visitor.accepted
        case ReceivedSince(since):
            return any(at >= since for at in visitor.accepted.values())
        case Reported(kind, message_id):
            return (kind.value, message_id) in visitor.reported
        case HasAttribute(name, op, values):
            return has_attribute(visitor.attributes, name, op, values)
    raise AssertionError(condition)


def has_attribute(attributes: Mapping[str, Any], name: str, op: Op, values: Sequence[Any]) -> bool:
    known = name in attributes
    if op is Op.EXISTS:
        return known
    if op is Op.NE:
        return not has_attribute(attributes, name, Op.EQ, values)
    if not known:
        return False
    stored = attributes[name]
    if op is Op.CONTAINS:
        return isinstance(stored, str) and values[0] in stored
    kind, comparable = typed(stored)
    wanted = [typed(value) for value in values]
    if op in (Op.EQ, Op.IN):
        return (kind, comparable) in wanted
    [(wanted_kind, bound)] = wanted
    if kind != wanted_kind:
        return False
    return bool(comparable > bound if op is Op.GT else comparable < bound)


def typed(value: Any) -> tuple[str, Any]:
    if isinstance(value, bool):
        return "boolean", value
    if isinstance(value, int | float):
        return "number", value
    if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", value):
        try:
            return "time", datetime.fromisoformat(value)
        except ValueError:
            pass
    return "text", value


def random_visitor(random: Random, id: int) -> Visitor:
    def some(values: Sequence[Any], odds: float = 0.7) -> Any:
        return random.choice(values) if random.random() < odds else None

    accepted = {m: NOW - random.randrange(40) * DAY for m in MESSAGES if random.random() < 0.4}
    reported = [(k.value, m) for k in (EventKind.DISPLAYED, EventKind.CLICKED) for m in MESSAGES]
    # As the recorder writes it: again only when the last time lies more than a week back.
    accepted_at = None
    for at in sorted(accepted.values()):
        if accepted_at is None or accepted_at < at - ACCEPTED_AGAIN_AFTER:
            accepted_at = at
    return Visitor(
        id=id,
        fields={
            "provider": random.choice(("fcm", "mozilla")),
            "language": some(LANGUAGES),
            "timezone": some(("Europe/Vienna", "Asia/Kolkata")),
            "country": some(("AT", "IN")),
            "browser": some(("firefox", "chrome")),
            "platform": some(("android", "windows")),
            "created_at": NOW - random.randrange(60) * DAY,
            "seen_at": NOW - random.randrange(60) * DAY,
            "displayed_at": some((NOW - DAY, NOW - 9 * DAY)),
            "clicked_at": some((NOW - DAY, NOW - 9 * DAY)),
            "accepted_at": accepted_at,
        },
        tags=random.sample(TAGS, random.choice((0, 0, 1, 3))),
        attributes={name: random.choice(VALUES) for name in NAMES if random.random() < 0.5},
        accepted=accepted,
        reported=frozenset(each for each in reported if random.random() < 0.3),
    )


def random_condition(random: Random, depth: int = 3) -> Condition:
    if depth and random.random() < 0.5:
        parts = tuple(random_condition(random, depth - 1) for _ in range(random.randint(1, 3)))
        return random.choice((Every(parts), Either(parts), Not(parts[0])))
    since = NOW - random.randrange(50) * DAY
    op = random.choice(list(Op))
    number = {Op.EXISTS: 0, Op.IN: 3}.get(op, 1)
    values = VALUES if op is not Op.CONTAINS else ("o", "é", "2026", "%", "'", "pro")
    if op in (Op.GT, Op.LT):
        values = tuple(value for value in VALUES if not isinstance(value, bool))
    choices: Sequence[Condition] = (
        HasTag(random.choice(TAGS)),
        HasAttribute(random.choice(NAMES), op, tuple(random.sample(values, number))),
        HasAttribute(random.choice(NAMES), op, tuple(random.sample(values, number))),
        TextIs(*random.choice(((TextColumn.TIMEZONE, "Asia/Kolkata"), (TextColumn.COUNTRY, "AT")))),
        TextIs(*random.choice(((TextColumn.PROVIDER, "fcm"), (TextColumn.BROWSER, "firefox")))),
        LanguageIs(random.choice(("de", "De-at", "en", "fr"))),
        TimeIs(random.choice(list(TimeColumn)), since, random.choice((None, since + 9 * DAY))),
        TimeIs(random.choice(list(TimeColumn)), None, since),
        Received(random.choice(MESSAGES)),
        ReceivedSince(since),
        Reported(random.choice((EventKind.DISPLAYED, EventKind.CLICKED)), random.choice(MESSAGES)),
    )
    return random.choice(choices)


_COLUMNS = (
    "created_at",
    "seen_at",
    "displayed_at",
    "clicked_at",
    "country",
    "browser",
    "platform",
)
_LEARNED = make(
    "learned",
    f"update subscriptions set {', '.join(f'{name} = ${n}' for n, name in enumerate(_COLUMNS, start=2))}"
    " where id = $1",
)


async def store(tx: Transaction, visitors: Sequence[Visitor]) -> None:
    rows = []
    for each in visitors:
        said = {name: each.fields[name] for name in ("provider", "language", "timezone")}
        new = new_subscription(each.id, tags=tuple(each.tags), attributes=each.attributes, **said)
        rows.append((each.id, new))
    await subscriptions.add_many(tx, SITE, rows, NOW)
    await deliveries.record(
        tx,
        [result(v.id, message_id=m, at=at) for v in visitors for m, at in v.accepted.items()],
    )
    await events.record(
        tx, [Event(SITE, m, v.id, 0, EventKind(k), None, NOW) for v in visitors for k, m in v.reported]
    )
    for each in visitors:  # last: the events, too, have said when they were displayed and clicked
        await tx.execute(_LEARNED, each.id, *(each.fields[name] for name in _COLUMNS))
        if each.fields["accepted_at"] is not None:
            await subscriptions.accepted(tx, SITE, [each.id], each.fields["accepted_at"])


async def walked(
    database: Database, condition: Condition, size: int = 7, sent: Mapping[int, Sent] | None = None
) -> list[int]:
    """Whom a freeze would find, in windows of a few."""
    found, after, last = [], 0, False
    while not last:

        async def body(tx: Transaction, after: int = after) -> audiences.Window:
            return await audiences.step(tx, SITE, condition, after, MAX_ID, size, sent=sent)

        rows, after, last = await database.read(body)
        assert len(rows) <= size
        found += [row[0] for row in rows]
    return found


async def counted(database: Database, condition: Condition) -> dict[str, int]:
    window = await database.read(lambda tx: audiences.count(tx, SITE, condition, 0, MAX_ID, 10_000))
    assert window.last
    return dict(window.rows)


@pytest.fixture
async def visitors(database: Database) -> Sequence[Visitor]:
    random = Random(4)
    found = [random_visitor(random, id) for id in range(1, 61)]
    await add_site(database)
    for message_id in MESSAGES:
        await add_sending(database, message_id)
    await database.write(lambda tx: store(tx, found))
    return found


async def test_an_expression_means_the_same_in_sql_and_in_python(
    database: Database, visitors: Sequence[Visitor]
) -> None:
    random = Random(7)
    nobody = 0
    for _ in range(400):
        condition = random_condition(random)
        expected = [visitor for visitor in visitors if meets(condition, visitor)]
        nobody += not expected
        assert await walked(database, condition) == [each.id for each in expected], condition
        by_provider: dict[str, int] = {}
        for each in expected:
            by_provider[each.fields["provider"]] = by_provider.get(each.fields["provider"], 0) + 1
        assert await counted(database, condition) == by_provider, condition
    assert nobody < 200  # else it would say little


@pytest.mark.parametrize("op", [Op.EQ, Op.NE, Op.GT, Op.LT, Op.IN])
async def test_every_value_compares_with_every_other(
    op: Op, database: Database, visitors: Sequence[Visitor]
) -> None:
    for value in VALUES:
        if isinstance(value, bool) and op in (Op.GT, Op.LT):
            continue
        condition = Either(tuple(HasAttribute(name, op, (value,)) for name in NAMES[:3]))
        expected = [each.id for each in visitors if meets(condition, each)]
        assert await walked(database, condition, 50) == expected, value


async def test_messages_to_few_and_to_many_are_looked_up_alike(
    database: Database, visitors: Sequence[Visitor], monkeypatch: pytest.MonkeyPatch
) -> None:
    for since in range(NOW - 45 * DAY, NOW, 3 * DAY):
        expected = [each.id for each in visitors if meets(ReceivedSince(since), each)]
        assert await walked(database, ReceivedSince(since)) == expected
        with monkeypatch.context() as patch:
            patch.setattr(received, "_KNOWN", 0)
            assert await walked(database, ReceivedSince(since)) == expected
            sent = await database.read(lambda tx, s=since: audiences.look(tx, SITE, ReceivedSince(s)))  # type: ignore[misc]
            patch.undo()  # as for a freeze: what was found once serves all windows
            once = await database.read(lambda tx, s=since: audiences.look(tx, SITE, ReceivedSince(s)))  # type: ignore[misc]
            for found in (sent, once):
                assert await walked(database, ReceivedSince(since), sent=found) == expected
            patch.setattr(received, "_KNOWN", 0)
            patch.setattr(received, "_AT_ONCE", 1)
            patch.setattr(received, "_FIRST", 1)
            for look_up in (0, 1_000):  # always, and never
                patch.setattr(received, "_LOOK_UP", look_up)
                assert await walked(database, ReceivedSince(since), 20) == expected
            tagged = [each.id for each in visitors if "vip" in each.tags and each.id in expected]
            assert await walked(database, Every((HasTag("vip"), ReceivedSince(since)))) == tagged


async def test_who_cannot_be_sent_to_is_in_no_audience(
    database: Database, visitors: Sequence[Visitor]
) -> None:
    gone = visitors[0].id
    await database.write(
        lambda tx: subscriptions.end(tx, SITE, gone, subscriptions.SubscriptionState.UNSUBSCRIBED, NOW)
    )
    condition = Not(HasTag("nobody has this"))
    assert await walked(database, condition) == [each.id for each in visitors if each.id != gone]


async def test_details_are_the_columns_that_plan_asks_for(
    database: Database, visitors: Sequence[Visitor]
) -> None:
    for condition in (Not(HasTag("none")), HasTag("vip")):

        async def body(tx: Transaction, condition: Condition = condition) -> audiences.Window:
            return await audiences.step(tx, SITE, condition, 0, MAX_ID, 100, details=True)

        rows = [RecipientRow(*row) for row in (await database.read(body)).rows]
        found = {each.id: each for each in visitors}
        assert rows
        for row in rows:
            said = found[row.id].fields
            assert (row.provider, row.timezone) == (said["provider"], said["timezone"])


async def indexed(database: Database) -> set[tuple[str, int]]:
    query = Query("indexed", *["select tag, subscription_id from subscription_tags"] * 2)
    return {(tag, id) for tag, id in await database.read(lambda tx: tx.fetch(query))}


async def test_the_index_of_tags_follows_every_way_into_the_table(database: Database) -> None:
    await add_site(database)
    one, two = new_subscription(1, tags=("a", "b")), new_subscription(2, tags=("b",))
    await database.write(lambda tx: subscriptions.register(tx, SITE, 1, one, NOW))
    await database.write(lambda tx: subscriptions.add_many(tx, SITE, [(2, two)], NOW))
    assert await indexed(database) == {("a", 1), ("b", 1), ("b", 2)}
    more = new_subscription(1, tags=("c",))
    await database.write(lambda tx: subscriptions.register(tx, SITE, 9, more, NOW))
    again = new_subscription(2, tags=("a",))
    await database.write(lambda tx: subscriptions.add_many(tx, SITE, [(9, again)], NOW))
    assert await indexed(database) == {("a", 1), ("b", 1), ("c", 1), ("a", 2), ("b", 2)}
    change = subscriptions.Change(tags=("z", "a"))
    await database.write(lambda tx: subscriptions.change(tx, SITE, 1, change))
    moved = new_subscription(3, tags=("moved",))
    await database.write(lambda tx: subscriptions.replace(tx, SITE, 2, moved, NOW))
    assert await indexed(database) == {("z", 1), ("a", 1), ("a", 2), ("b", 2), ("moved", 2)}
    await database.write(lambda tx: subscriptions.erase(tx, SITE, 1, NOW))
    assert await indexed(database) == {("a", 2), ("b", 2), ("moved", 2)}
    gone = subscriptions.Gone(SITE, 2, moved.endpoint, NOW)
    await database.write(lambda tx: subscriptions.gone(tx, [gone]))
    assert len(await indexed(database)) == 3  # it may come back
    await database.write(lambda tx: subscriptions.forget_never_accepted(tx, NOW + 1))
    assert await indexed(database) == set()


def test_every_kind_of_value_is_stored_as_it_was_said() -> None:
    assert msgspec.json.decode(msgspec.json.encode(VALUES)) == list(VALUES)


PRO = HasAttribute("plan", Op.EQ, ("pro",))
PLANS: Sequence[tuple[Condition, Mapping[int, Settled], str]] = [
    (Either((HasTag("vip"), PRO)), {}, "s USING PRIMARY KEY (site_id=? AND id>? AND id<?)"),
    (Either((HasTag("vip"), PRO)), {}, "u USING PRIMARY KEY (site_id=? AND tag=? AND subscription_id=?)"),
    (
        Every((PRO, HasTag("vip"))),
        {},
        "t USING PRIMARY KEY (site_id=? AND tag=? AND subscription_id>? AND subscription_id<?)",
    ),
    (Every((PRO, HasTag("vip"))), {}, "s USING PRIMARY KEY (site_id=? AND id=?)"),
    (Received(1), {}, "d USING PRIMARY KEY (site_id=? AND message_id=? AND subscription_id=?)"),
    (
        Reported(EventKind.CLICKED, 1),
        {},
        "e USING PRIMARY KEY (site_id=? AND message_id=? AND subscription_id=? AND kind=?)",
    ),
    (
        ReceivedSince(5),
        {5: Unreached([2])},
        "a USING PRIMARY KEY (site_id=? AND subscription_id=?)",
    ),
    (
        ReceivedSince(5),
        {5: Asked([2], [1])},
        "d USING PRIMARY KEY (site_id=? AND message_id=? AND subscription_id>? AND subscription_id<?)",
    ),
]


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("condition", "settled", "part"), PLANS)
async def test_sqlite_walks_a_key_and_sorts_nothing(
    database: Database, condition: Condition, settled: Mapping[int, Settled], part: str
) -> None:
    order = "s.id" if driving_tag(condition) is None else "t.subscription_id"
    query, args = audiences._query(SITE, condition, 0, MAX_ID, settled, "select s.id", f"order by {order}")
    explained = Query("plan", f"explain query plan {query.sqlite}", "")
    plan = [row[3] for row in await database.read(lambda tx: tx.fetch(explained, *args))]
    assert any(part in line for line in plan), plan
    assert not any("TEMP B-TREE" in line for line in plan), plan
    assert all("VIRTUAL TABLE" in line for line in plan if "SCAN" in line), plan


@pytest.mark.parametrize("dialect", ["postgres"], indirect=True)
async def test_postgres_is_led_by_the_index_of_tags(database: Database) -> None:
    await add_site(database)
    rows = [(n, new_subscription(n, tags=("vip",) if n % 9 == 0 else ())) for n in range(1, 4_001)]
    await database.write(lambda tx: subscriptions.add_many(tx, SITE, rows, NOW))
    condition = Every((PRO, HasTag("vip")))
    query, args = audiences._query(
        SITE, condition, 0, MAX_ID, {}, "select s.id", "order by t.subscription_id"
    )
    explained = Query("plan", "", f"explain {query.postgres}")
    plan = "\n".join(row[0] for row in await database.read(lambda tx: tx.fetch(explained, *args)))
    assert "subscription_tags_pkey" in plan
    assert "subscriptions_pkey" in plan, plan
    assert "Sort" not in plan
    assert "Seq Scan" not in plan
