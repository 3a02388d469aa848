"""Freezes an audience that may be everybody: walks a site's subscriptions, or failures, by key, in steps."""

import asyncio
from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec import UNSET

from gateway.audience import AudienceSpec, Candidate, plan, read_audience
from gateway.context import Context
from gateway.logs import Log
from gateway.metrics import Metrics
from storage import batches, deliveries, messages, subscriptions
from storage.batches import MAX_MEMBERS, Batch, pack
from storage.database import Transaction
from storage.ids import IdSource
from storage.messages import Message
from storage.subscriptions import SubscriptionState

log = Log(__name__)

STEP = 10_000  # subscriptions in one read and one write: about 15 ms of each
STEPS_A_TURN = 10  # of one message, before the others have theirs
LOOK_AT = 100
SHARE = 5  # seconds of a message's rate in one batch: a sender keeps what it has claimed for as long
AT_ONCE = 4  # messages that are frozen side by side; their steps share commits


class Step(NamedTuple):
    """One page of an audience: whom it found, where the next one begins, and whether there is none."""

    candidates: Sequence[Candidate]
    end: int
    last: bool


class Freezer:
    """Each step is one transaction: its batches, and the cursor by compare-and-set. A crash resumes there."""

    def __init__(self, context: Context, metrics: Metrics, step: int = STEP) -> None:
        self._database = context.database
        self._clock = context.clock
        self._ids = context.ids
        self._metrics = metrics
        self._step = step

    async def step(self) -> bool:
        """Some steps for every message that is being frozen; whether there was any."""
        freezing = await self._database.read(lambda tx: messages.freezing(tx, LOOK_AT))
        # The least judged first: a small site does not wait until large ones are done.
        chosen = sorted(freezing, key=lambda message: message.judged)[:AT_ONCE]
        await asyncio.gather(*(self._advance(message) for message in chosen))
        return bool(freezing)

    async def _advance(self, message: Message) -> None:
        """The next step is read while the previous one is written."""
        cursor, judged = message.freeze_cursor, message.judged
        step = await self._read(message, cursor)
        for _ in range(STEPS_A_TURN):
            judged += len(step.candidates)
            write = self._write(message, cursor, step, judged if step.last else None)
            if step.last:
                await write
                return
            following, written = await asyncio.gather(self._read(message, step.end), write)
            if not written:
                return
            cursor, step = step.end, following

    async def _read(self, message: Message, cursor: int) -> Step:
        audience = read_audience(message.audience_spec)
        return await self._database.read(
            lambda tx: (
                _everybody(tx, message, cursor, self._step)
                if audience.failures_of is UNSET
                else _failures(tx, message, audience, cursor, self._step)
            )
        )

    async def _write(self, message: Message, cursor: int, step: Step, audience: int | None) -> bool:
        """One step; with `audience` the last. False when somebody else took it, or the message has ended."""
        now = self._clock.now()
        made = make_batches(message, step.candidates, now, self._ids)

        async def body(tx: Transaction) -> bool:
            if not await messages.freeze_advance(tx, message.id, cursor, step.end, len(step.candidates)):
                return False
            await batches.add_many(tx, made)
            if audience is not None:
                await messages.frozen(tx, message.id, audience, 0, now)
            return True

        written = await self._database.write(body)
        if written:
            self._metrics.recipients_frozen.inc(len(step.candidates))
        if written and audience is not None:
            log.info("message.frozen", message_id=message.id, audience=audience)
        return written


async def _everybody(tx: Transaction, message: Message, cursor: int, limit: int) -> Step:
    ceiling = message.freeze_ceiling
    assert ceiling is not None, "a message that has started has a ceiling"
    rows = await subscriptions.audience_step(tx, message.site_id, cursor, ceiling, limit)
    return Step(rows, rows[-1][0] if rows else cursor, len(rows) < limit)


async def _failures(
    tx: Transaction, message: Message, audience: AudienceSpec, cursor: int, limit: int
) -> Step:
    """Those who can be sent to (again): whoever is gone stays so."""
    assert audience.failures_of is not UNSET
    failed = await deliveries.failed_page(tx, message.site_id, audience.failures_of, cursor, limit)
    ids = [each.subscription_id for each in failed if audience.asks_for(each.outcome)]
    found = await subscriptions.by_ids(tx, message.site_id, ids) if ids else ()
    candidates = [(id, provider) for id, provider, state in found if state == SubscriptionState.ACTIVE]
    return Step(candidates, failed[-1].subscription_id if failed else cursor, len(failed) < limit)


def make_batches(
    message: Message, candidates: Iterable[Candidate], now: int, ids: IdSource
) -> Sequence[Batch]:
    """Judge each candidate, and pack those of one provider, time and stage together.

    Nothing is carried over to the next step: half-full batches are cheap, and a crash can lose nobody.
    """
    most = MAX_MEMBERS if message.rate is None else max(1, min(MAX_MEMBERS, message.rate * SHARE))
    groups: defaultdict[tuple[str, int, int], array[int]] = defaultdict(lambda: array("q"))
    for candidate in candidates:
        due_at, stage = plan(candidate, message, now)
        groups[candidate[1], due_at, stage].append(candidate[0])
    return [
        Batch(
            id=ids.next(),
            site_id=message.site_id,
            message_id=message.id,
            provider=provider,
            members=pack(members[start : start + most]),
            size=len(members[start : start + most]),
            due_at=due_at,
            attempt=1,
            stage=stage,
            variant=0,
            lane=message.lane,
            created_at=now,
        )
        for (provider, due_at, stage), members in groups.items()
        for start in range(0, len(members), most)
    ]
