"""Series: messages that recur. Each occurrence is a message of its own, made when its time has come.

A series is `scheduled` for its next occurrence, never `sending`; what is done to it concerns those to come.
"""

from dataclasses import replace

from msgspec import structs

from gateway.campaigns.recurrence import SHORTEST, Recurrence, latest_time, next_time
from gateway.campaigns.rules import read_rules, write_rules
from gateway.errors import Conflict, FieldError, InvalidRequest, WrongState
from storage import locks, messages
from storage.database import Transaction
from storage.messages import Message, MessageKind, MessageState

MOST = 5_000  # of a site that go on
OVER = "its last occurrence has come"
OVERTAKEN = "the next occurrence of its series came before it could start"


async def check_room(tx: Transaction, wanted: Message, before: Message | None = None) -> None:
    """Conflict when it is to be one more series that goes on, and the site has MOST."""
    goes_on = wanted.kind is MessageKind.SERIES and wanted.state is MessageState.SCHEDULED
    went_on = before is not None and before.kind is wanted.kind and before.state is wanted.state
    if goes_on and not went_on and await messages.count_series(tx, wanted.site_id) >= MOST:
        raise Conflict(f"The site has {MOST} recurring messages: cancel one first.")


def recurrence_of(series: Message) -> Recurrence:
    rule = read_rules(series).recurrence
    assert rule is not None, "a series has a rule"
    return rule


def carry_over(before: Message, wanted: Message) -> Message:
    """`wanted`, a message as it is to be after a change, with what a change leaves alone.

    InvalidRequest when an occurrence is to recur itself, or a test.
    """
    series = MessageKind.SERIES
    if wanted.kind is series and before.kind not in (MessageKind.ONCE, series):
        raise InvalidRequest(
            errors=[FieldError("recurrence", "This belongs to another message and cannot recur.")]
        )
    kind = wanted.kind if series in (wanted.kind, before.kind) else before.kind
    send_at = wanted.send_at
    if (
        before.kind is wanted.kind is series
        and before.state is MessageState.SCHEDULED
        and recurrence_of(before) == recurrence_of(wanted)
    ):
        send_at = before.send_at  # it may be due at this very moment
    return replace(wanted, kind=kind, parent_id=before.parent_id, send_at=send_at)


def make_occurrence(series: Message, now: int, id: int) -> Message:
    """The occurrence that is due: of those that were missed, the latest."""
    rules = read_rules(series)
    missed = latest_time(recurrence_of(series), now)
    return replace(
        series,
        id=id,
        kind=MessageKind.OCCURRENCE,
        parent_id=series.id,
        send_at=series.send_at if missed is None else max(missed, series.send_at),
        created_at=now,
        rules=write_rules(structs.replace(rules, recurrence=None)),
    )


async def occur(tx: Transaction, series: Message, occurrence: Message, following: int | None) -> bool:
    """Store the occurrence and move the series on to `following`, or end it when there is none.

    False when the series is not what was looked at any more: somebody has changed it, or was first. An
    occurrence before that still has not started expires: they do not pile up.
    """
    await locks.hold(tx, series.id)
    stored = await messages.by_ids(tx, [series.id])
    if stored.get(series.id) != series or not await _move(tx, series, following, occurrence.created_at):
        return False
    await messages.overtake(tx, series.id, OVERTAKEN, occurrence.created_at)
    await messages.add(tx, occurrence)
    return True


async def is_overtaken(tx: Transaction, occurrence: Message, now: int) -> bool:
    """Whether its series is due again: then that makes a later one, and this one need not start any more."""
    if occurrence.parent_id is None or now - occurrence.send_at < SHORTEST * 60_000:
        return False
    series = (await messages.by_ids(tx, [occurrence.parent_id])).get(occurrence.parent_id)
    return series is not None and series.state is MessageState.SCHEDULED and series.send_at <= now


async def resume(tx: Transaction, series: Message, now: int) -> None:
    """What its pause has skipped does not come. WrongState unless it is paused."""
    if series.state is not MessageState.PAUSED:
        raise WrongState(f"A series that is {series.state} cannot be resumed.")
    await _move(tx, series, next_time(recurrence_of(series), now), now)


async def _move(tx: Transaction, series: Message, following: int | None, now: int) -> bool:
    over = following is None
    return await messages.move_series(
        tx,
        series.id,
        series.state,
        series.send_at,
        state=MessageState.SENT if over else MessageState.SCHEDULED,
        reason=OVER if over else None,
        send_at=series.send_at if following is None else following,
        ended_at=now if over else None,
    )
