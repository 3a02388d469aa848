"""Roll-ups against the raw rows that they stand for, after plays that hypothesis makes up."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import breakdowns, deliveries, events, growth, messages, rollups, sites, subscriptions
from storage.breakdowns import DAY, EVENTS, Dimension
from storage.database import Database, Row, Transaction
from storage.deliveries import Outcome
from storage.errors import NotFound
from storage.events import Event, EventKind
from storage.messages import MessageKind
from storage.queries import parse
from storage.rollups import HOUR, TOTALS, column_of
from storage.subscriptions import Gone, SubscriptionState
from tests.contract.rows import MESSAGE, NOW, SITE, message, new_subscription, result, site

NEWS, TEST = (MESSAGE, MESSAGE + 1), MESSAGE + 2
BROWSERS = ("chrome", "firefox", None)
QUERIES = parse(
    "test",
    """
-- name: deliveries
delete from deliveries
-- name: events
delete from events
-- name: rollups
delete from rollups
-- name: site_totals
delete from site_totals
-- name: growth
delete from growth
-- name: breakdowns
delete from breakdowns
-- name: acceptances
delete from acceptances
-- name: unlearnt
delete from unlearnt
-- name: subscriptions
delete from subscriptions
-- name: messages
delete from messages
-- name: sites
delete from sites
-- name: ended
select message_id, at - at % 3600000, outcome, reason from deliveries where outcome is not null
-- name: reported
select message_id, at - at % 3600000, kind, action from events
""",
)
RAW = ("ended", "reported")

ids, hours = st.integers(1, 5), st.integers(0, 30)
moves = st.tuples(
    st.sampled_from(["register", "unsubscribe", "gone", "erase", "expire", "revert", "accept", "forget"]),
    ids,
    hours,
)
results = st.tuples(
    st.just("deliver"),
    st.lists(
        st.tuples(
            st.sampled_from((*NEWS, TEST)),
            ids,
            st.none() | st.sampled_from(Outcome),
            st.integers(1, 2),
            hours,
        ),
        min_size=1,
        max_size=6,
    ),
)
reports = st.tuples(
    st.just("report"),
    st.lists(
        st.tuples(
            st.sampled_from((*NEWS, TEST)),
            ids,
            st.sampled_from(EventKind),
            st.sampled_from([None, "buy"]),
            hours,
        ),
        min_size=1,
        max_size=6,
    ),
)
plays = st.lists(st.one_of(moves, moves, results, reports), max_size=25)


async def _empty(tx: Transaction) -> None:
    for name, query in QUERIES.items():
        if name not in RAW:
            await tx.execute(query)
    await sites.add(tx, site())
    for id in (*NEWS, TEST):
        kind = MessageKind.TEST if id == TEST else MessageKind.ONCE
        await messages.add(tx, message(id, kind=kind))


async def _move(tx: Transaction, what: str, id: int, at: int) -> None:
    new = new_subscription(id, browser=BROWSERS[id % 3], expires_at=NOW + 20 * HOUR if id == 5 else None)
    match what:
        case "register":
            await subscriptions.register(tx, SITE, id + at, new, at)  # another id, were it not known
        case "unsubscribe" | "erase" | "accept":
            known = await subscriptions.by_endpoint(tx, SITE, new.endpoint)
            if known is None:
                return
            if what == "erase":
                await subscriptions.erase(tx, SITE, known.id, at)
            elif what == "accept":
                await subscriptions.accepted(tx, SITE, [known.id], at)
            else:
                await subscriptions.end(tx, SITE, known.id, SubscriptionState.UNSUBSCRIBED, at)
        case "gone":
            known = await subscriptions.by_endpoint(tx, SITE, new.endpoint)
            if known is not None:
                await subscriptions.gone(tx, [Gone(SITE, known.id, new.endpoint, at)])
        case "expire":
            await subscriptions.expire_due(tx, at)
        case "revert":
            await subscriptions.revert_gone(tx, "fcm", NOW, at)
        case "forget":
            await subscriptions.forget_never_accepted(tx, at)


async def _play(tx: Transaction, step: Any) -> None:
    if step[0] == "deliver":
        flush = [
            result(id, message_id=message_id, outcome=outcome, attempt=attempt, at=NOW + hour * HOUR,
                   reason="gone" if outcome is Outcome.SKIPPED else None)
            for message_id, id, outcome, attempt, hour in step[1]
        ]  # fmt: skip
        await deliveries.record(tx, flush)
    elif step[0] == "report":
        await events.record(
            tx,
            [Event(SITE, m, id, 0, kind, action, NOW + hour * HOUR) for m, id, kind, action, hour in step[1]],
        )
    else:
        what, id, hour = step
        with suppress(NotFound):
            await _move(tx, what, id, NOW + hour * HOUR)


def _kind(outcome: str, reason: str | None) -> str:
    return f"skipped:{reason}" if outcome == "skipped" else outcome


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(play=plays)
async def test_after_any_play_the_roll_ups_are_what_the_raw_rows_add_up_to(
    database: Database, play: list[Any]
) -> None:
    await database.write(_empty)
    for step in play:
        await database.write(lambda tx, step=step: _play(tx, step))  # type: ignore[misc]
    ended = await database.read(lambda tx: tx.fetch(QUERIES["ended"]))
    reported = await database.read(lambda tx: tx.fetch(QUERIES["reported"]))
    raw = [(m, hour, _kind(outcome, reason)) for m, hour, outcome, reason in ended]
    raw += [(m, hour, kind) for m, hour, kind, _ in reported]
    for id in (*NEWS, TEST):
        await _check_message(
            database, id, Counter((hour, kind) for m, hour, kind in raw if m == id), reported
        )
    await _check_site(database, [(hour, kind) for m, hour, kind in raw if m in NEWS])
    states = await database.read(lambda tx: subscriptions.count_by_state(tx, SITE))
    active = await database.read(lambda tx: growth.active(tx, SITE))
    assert active == states.get(SubscriptionState.ACTIVE, 0)


async def _check_message(
    database: Database, id: int, raw: Counter[tuple[int, str]], reported: Sequence[Row]
) -> None:
    counted: Counter[tuple[int, str]] = Counter()
    end = NOW + 100 * HOUR
    parts = await database.read(lambda tx: rollups.kinds_by_part(tx, SITE, [id], NOW, end, 0, HOUR))
    for part, kind, n in parts:
        counted[part * HOUR, kind] += n
    assert {key: n for key, n in counted.items() if n and key[1] != "retrying"} == raw
    told = await database.read(lambda tx: breakdowns.of_messages(tx, SITE, [id]))
    for dimension in (Dimension.BROWSER, Dimension.COUNTRY):
        assert _summed(told[dimension].values()) == [_of_kind(raw, kind) for kind in EVENTS]
    clicks = Counter(action for m, _, kind, action in reported if m == id and kind == "clicked" and action)
    assert {name: counts[1] for name, counts in told[Dimension.ACTION].items()} == clicks


async def _check_site(database: Database, raw: Sequence[tuple[int, str]]) -> None:
    expected: Counter[tuple[int, int]] = Counter()
    for hour, kind in raw:
        column = column_of(kind)
        assert column is not None
        expected[hour // HOUR, column] += 1
    counted: Counter[tuple[int, int]] = Counter()
    rows = await database.read(lambda tx: rollups.by_part(tx, SITE, NOW, NOW + 100 * HOUR, 0, HOUR))
    for part, _, *counts in rows:
        counted.update({(part, column): n for column, n in enumerate(counts) if n})
    assert counted == expected
    told = await database.read(lambda tx: breakdowns.of_site(tx, SITE, NOW, NOW + 3 * DAY))
    every = [sum(n for (_, column), n in expected.items() if TOTALS[column] == kind) for kind in EVENTS]
    assert _summed(told[Dimension.BROWSER].values()) == every
    assert told[Dimension.ACTION] == {}


def _of_kind(raw: Counter[tuple[int, str]], kind: str) -> int:
    return sum(n for (_, found), n in raw.items() if found == kind)


def _summed(counts: Any) -> list[int]:
    return [sum(column) for column in zip(*counts, strict=True)] or [0, 0, 0]
