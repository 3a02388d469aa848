"""Messages: what an admin asked to be shown, to whom, and how far it has come."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields
from enum import StrEnum
from typing import NamedTuple

from storage.database import Row, Transaction
from storage.errors import Conflict, NotFound
from storage.ids import MAX_ID, id_ceiling
from storage.queries import load
from storage.rollups import RETRYING, SKIPPED

_SQL = load("messages")
_TOGETHER = 1_000  # milliseconds in which the ids of what is made together are drawn


class MessageKind(StrEnum):
    ONCE = "once"
    SERIES = "series"  # a recurring message: makes an occurrence at its send_at and waits for the next
    OCCURRENCE = "occurrence"  # of a series, its parent
    STEP = "step"  # of an automation
    TEST = "test"  # of another message, to a few who look at it first
    WITHDRAWAL = "withdrawal"  # of another message, for those who have not seen it yet


class MessageState(StrEnum):
    DRAFT = "draft"
    SCHEDULED = "scheduled"
    OPEN = "open"  # a step of an automation for which nobody waits just now
    SENDING = "sending"
    PAUSED = "paused"
    SENT = "sent"
    CANCELLED = "cancelled"
    EXPIRED = "expired"  # never started


ENDED = frozenset({MessageState.SENT, MessageState.CANCELLED, MessageState.EXPIRED})
GOING_ON = frozenset({MessageState.SENDING, MessageState.PAUSED})


class Priority(StrEnum):
    TRANSACTIONAL = "transactional"
    BULK = "bulk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    id: int
    site_id: int
    kind: MessageKind = MessageKind.ONCE
    parent_id: int | None = None
    state: MessageState = MessageState.SCHEDULED
    state_reason: str | None = None
    waiting_until: int | None = None
    priority: Priority
    lane: int  # batches.TRANSACTIONAL or batches.BULK
    content: str  # JSON: notification and options as validated
    audience_spec: str  # JSON: the audience as asked for
    ttl: int  # seconds
    rate: int | None = None  # messages a second
    send_at: int
    expires_at: int | None = None
    created_at: int
    started_at: int | None = None
    frozen_at: int | None = None
    ended_at: int | None = None
    audience: int | None = None  # None until frozen
    judged: int = 0  # subscribers judged so far while freezing
    unknown: int | None = None  # ids of the audience that named nobody
    freeze_cursor: int = 0
    freeze_ceiling: int | None = None  # of a step of an automation: None as long as it takes more visitors
    turn: int = 0
    next_at: int = 0
    rules: str = "{}"  # JSON: who and when, beyond what stands above (gateway.rules)
    resolved: str | None = None  # JSON: the expression of its audience as it was when the message started
    winner: int | None = None  # the variant that the rest gets


# The order of the columns wherever a message is read or written whole (storage/sql/messages.sql).
COLUMNS = tuple(column.name for column in fields(Message))


@dataclass(frozen=True, slots=True)
class Progress:
    """audience = accepted + gone + failed + expired + skipped + retrying + remaining, always."""

    audience: int
    accepted: int = 0
    gone: int = 0
    failed: int = 0  # unauthorized, too_large, rejected and render_failed
    expired: int = 0
    skipped: int = 0
    retrying: int = 0
    remaining: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)  # by outcome
    skips: Mapping[str, int] = field(default_factory=dict)  # by reason

    @property
    def done(self) -> int:
        """Who has an outcome."""
        return self.audience - self.retrying - self.remaining


@dataclass(frozen=True, slots=True)
class Results:
    displayed: int = 0
    clicked: int = 0
    closed: int = 0


class NextBatch(NamedTuple):
    message_id: int
    provider: str
    due_at: int
    attempt: int
    waits_for_key: int
    window_ends_at: int | None


async def add(tx: Transaction, message: Message) -> None:
    """Raises NotFound without its site, Conflict on an id clash."""
    await tx.execute(_SQL["add"], *astuple(message))
    await tx.notify_work()


async def get(tx: Transaction, site_id: int, id: int) -> Message:
    """Raises NotFound."""
    row = await tx.fetch_one(_SQL["get"], site_id, id)
    if row is None:
        raise NotFound(f"message {id}")
    return message_of(row)


async def by_ids(tx: Transaction, ids: Sequence[int]) -> Mapping[int, Message]:
    """Those that exist, whatever their site. For senders and the scheduler."""
    return {row[0]: message_of(row) for row in await tx.fetch(_SQL["by_ids"], list(ids))}


async def states(tx: Transaction, ids: Sequence[int]) -> Mapping[int, MessageState]:
    """Of those that exist: for senders, who look often and need no megabytes of recipients."""
    return {id: MessageState(state) for id, state in await tx.fetch(_SQL["states"], list(ids))}


async def page(
    tx: Transaction, site_id: int, before_id: int | None = None, limit: int = 100
) -> Sequence[Message]:
    """Newest first, from the one before `before_id`; `audience_spec` is empty."""
    before = MAX_ID if before_id is None else before_id
    return [message_of(row) for row in await tx.fetch(_SQL["page"], site_id, before, limit)]


async def live(tx: Transaction, site_id: int, ended_since: int, limit: int) -> Sequence[Message]:
    """Up to `limit` that send or are paused, bulk and the newest first, then up to `limit` that have ended at
    `ended_since` or later; without their `audience_spec`.
    """
    return [message_of(row) for row in await tx.fetch(_SQL["live"], site_id, ended_since, limit)]


async def page_of_series(
    tx: Transaction, site_id: int, series_id: int, before_id: int | None = None, limit: int = 100
) -> Sequence[Message]:
    """As `page`, of the occurrences of a series."""
    before = MAX_ID if before_id is None else before_id
    rows = await tx.fetch(_SQL["page_of_series"], site_id, series_id, before, limit)
    return [message_of(row) for row in rows]


async def count_series(tx: Transaction, site_id: int) -> int:
    """Those that make occurrences, or would if they were resumed."""
    row = await tx.fetch_one(_SQL["count_series"], site_id)
    assert row is not None
    return int(row[0])


async def move_series(
    tx: Transaction,
    id: int,
    from_state: MessageState,
    from_at: int,
    *,
    state: MessageState,
    reason: str | None,
    send_at: int,
    ended_at: int | None,
) -> bool:
    """Compare and set of a series, by its state and the time that it stands at."""
    moved = await tx.execute(
        _SQL["move_series"], id, from_state.value, from_at, state.value, reason, send_at, ended_at
    )
    if moved:
        await tx.notify_work()
    return bool(moved)


async def overtake(tx: Transaction, series_id: int, reason: str, now: int) -> bool:
    """Expires the last occurrence of the series if it has not started."""
    return bool(await tx.execute(_SQL["overtake"], series_id, reason, now))


async def tests_with(tx: Transaction, test: Message) -> Sequence[Message]:
    """Those that were made together with a test, this one the first of them."""
    until = id_ceiling(test.created_at + _TOGETHER)
    rows = await tx.fetch(_SQL["tests"], test.site_id, test.id, until, test.parent_id, test.created_at)
    return [message_of(row) for row in rows]


async def update_before_start(tx: Transaction, message: Message) -> bool:
    """Overwrites what an admin may change, and the state; False when the message has started or ended."""
    changed = await tx.execute(
        _SQL["update_before_start"],
        message.site_id,
        message.id,
        message.state.value,
        message.priority.value,
        message.lane,
        message.content,
        message.audience_spec,
        message.ttl,
        message.rate,
        message.send_at,
        message.expires_at,
        message.rules,
        message.kind.value,
    )
    if changed:
        await tx.notify_work()
    return bool(changed)


async def find_idempotent(tx: Transaction, site_id: int, key: str) -> tuple[bytes, int, int] | None:
    """(SHA-256 of the body, message id, created_at) of the request that used this key."""
    row = await tx.fetch_one(_SQL["find_idempotent"], site_id, key)
    return None if row is None else (row[0], row[1], row[2])


async def remember_idempotent(
    tx: Transaction, site_id: int, key: str, body_hash: bytes, message_id: int, now: int
) -> None:
    """In the message's own transaction. Raises Conflict when the key is taken: roll back, read the
    winner's row.
    """
    if not await tx.execute(_SQL["remember_idempotent"], site_id, key, body_hash, message_id, now):
        raise Conflict("idempotency key")


async def forget_idempotent(tx: Transaction, before: int, limit: int = 1_000) -> int:
    """Removes keys used before `before`; how many."""
    return await tx.execute(_SQL["forget_idempotent"], before, limit)


async def due(tx: Transaction, now: int, limit: int = 100) -> Sequence[Message]:
    """Scheduled messages whose time has come and that have not expired: the lower lane, then the
    earliest first.
    """
    return [message_of(row) for row in await tx.fetch(_SQL["due"], now, limit)]


async def start(tx: Transaction, id: int, now: int, ceiling: int, resolved: str | None = None) -> bool:
    """scheduled → sending, in its place among the turns. False when somebody else did it, or it was
    cancelled.

    `ceiling`: subscriptions with larger ids came too late for this message (`ids.id_ceiling`). `resolved`:
    as in Message.
    """
    started = bool(await tx.execute(_SQL["start"], id, now, ceiling, resolved))
    if started:
        await queue_turn(tx, id)
    return started


async def queue_turn(tx: Transaction, id: int) -> None:
    """Of a message that begins to send just now."""
    await tx.execute(_SQL["queue_turn"], id)


async def freezing(tx: Transaction, limit: int = 100) -> Sequence[Message]:
    """Messages that have started and are not frozen yet: what a scheduler must resume after a crash."""
    return [message_of(row) for row in await tx.fetch(_SQL["freezing"], limit)]


async def freeze_advance(tx: Transaction, id: int, cursor_from: int, cursor_to: int, judged: int) -> bool:
    """Moves the freeze on by one step, in the transaction that inserts the step's batches.

    `judged`: the subscribers of this step. False (write nothing then) when the cursor is not
    `cursor_from` any more, or the message has ended or is frozen.
    """
    return bool(await tx.execute(_SQL["freeze_advance"], id, cursor_from, cursor_to, judged))


async def frozen(tx: Transaction, id: int, audience: int, unknown: int | None, now: int) -> bool:
    """Everybody was judged: from now on there is progress. False when it was frozen before."""
    return bool(await tx.execute(_SQL["frozen"], id, audience, unknown, now))


async def transition(
    tx: Transaction,
    id: int,
    from_states: Collection[MessageState],
    to_state: MessageState,
    reason: str | None,
    now: int,
) -> bool:
    """Compare and set. False when the message is in none of `from_states`. Sets `ended_at` when it ends.

    One that comes back to `sending` after a pause queues up like one that starts.
    """
    ended_at = now if to_state in ENDED else None
    states = [state.value for state in from_states]
    changed = bool(await tx.execute(_SQL["transition"], id, states, to_state.value, reason, ended_at))
    if changed and to_state is MessageState.SENDING:
        await queue_turn(tx, id)
    if changed:
        await tx.notify_work()
    return changed


async def finish_done(tx: Transaction, now: int, limit: int = 100) -> Sequence[int]:
    """sending or paused → sent for messages that are frozen and have no batch left; their ids.

    Steps of automations that take more visitors are open instead.
    """
    rows = await tx.fetch(_SQL["finish_done"], now, limit)
    return [id for id, state in rows if state == MessageState.SENT]


async def past_ttl(tx: Transaction, now: int) -> Sequence[Row]:
    """(id, site_id, started_at, ttl in seconds) of messages that have been sending for longer than that."""
    return await tx.fetch(_SQL["past_ttl"], now)


async def expired_unstarted(tx: Transaction, now: int, limit: int = 100) -> Sequence[int]:
    """Ids of messages, scheduled or paused, whose `expires_at` has passed before they started."""
    return [row[0] for row in await tx.fetch(_SQL["expired_unstarted"], now, limit)]


async def sending_past_expiry(tx: Transaction, now: int, limit: int = 100) -> Sequence[int]:
    """Ids of messages, sending or paused, whose `expires_at` has passed, with a batch that nobody leases."""
    return [row[0] for row in await tx.fetch(_SQL["sending_past_expiry"], now, limit)]


async def progress_of(tx: Transaction, ids: Sequence[int]) -> dict[int, tuple[Progress | None, Results]]:
    """Progress (None before the audience is frozen) and results of each message that exists, of one
    moment.
    """
    audiences: dict[int, int | None] = {}
    counts: dict[int, dict[str, int]] = {}
    for id, audience, kind, n in await tx.fetch(_SQL["progress_of"], list(ids)):
        audiences[id] = audience
        of_message = counts.setdefault(id, {})
        if kind is not None:
            of_message[kind] = n
    return {
        id: (None, _results(counts[id])) if audience is None else add_up(audience, counts[id])
        for id, audience in audiences.items()
    }


def add_up(audience: int, counts: Mapping[str, int]) -> tuple[Progress, Results]:
    """From an audience and its counters, by kind of rollup."""
    return _progress(audience, counts), _results(counts)


async def next_batches(tx: Transaction, ids: Sequence[int]) -> Sequence[NextBatch]:
    """By message and provider the batch that is due first, or was; none of those that have none left."""
    return sorted(NextBatch(*row) for row in await tx.fetch(_SQL["next_batches"], list(ids)))


_FAILURES = ("unauthorized", "too_large", "rejected", "render_failed")


def _progress(audience: int, counts: Mapping[str, int]) -> Progress:
    failures = {kind: counts[kind] for kind in _FAILURES if counts.get(kind)}
    skips = {kind.removeprefix(SKIPPED): n for kind, n in counts.items() if kind.startswith(SKIPPED) and n}
    accepted, gone = counts.get("accepted", 0), counts.get("gone", 0)
    failed, expired = sum(failures.values()), counts.get("expired", 0)
    skipped, retrying = sum(skips.values()), counts.get(RETRYING, 0)
    remaining = audience - accepted - gone - failed - expired - skipped - retrying
    return Progress(audience, accepted, gone, failed, expired, skipped, retrying, remaining, failures, skips)


def _results(counts: Mapping[str, int]) -> Results:
    return Results(counts.get("displayed", 0), counts.get("clicked", 0), counts.get("closed", 0))


def message_of(row: Row) -> Message:
    """Of the columns of `COLUMNS`."""
    values = dict(zip(COLUMNS, row, strict=True))
    values["kind"] = MessageKind(values["kind"])
    values["state"] = MessageState(values["state"])
    values["priority"] = Priority(values["priority"])
    return Message(**values)
