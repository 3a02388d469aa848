"""Freezes the audience of a message to everybody: walks a site's subscriptions by key, in steps."""

import asyncio
from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence

from gateway.audience import Candidate, plan
from gateway.context import Context
from gateway.logs import Log
from gateway.metrics import Metrics
from storage import batches, messages, subscriptions
from storage.batches import MAX_MEMBERS, Batch, pack
from storage.database import Transaction
from storage.ids import IdSource
from storage.messages import Message

log = Log(__name__)

STEP = 10_000  # subscriptions in one read and one write: about 15 ms of each
STEPS_A_TURN = 10  # of one message, before the others have theirs
LOOK_AT = 100
AT_ONCE = 4  # messages that are frozen side by side; their steps share commits


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
        rows = await self._read(message, cursor)
        for _ in range(STEPS_A_TURN):
            judged += len(rows)
            last = len(rows) < self._step
            end = cursor if not rows else rows[-1][0]
            write = self._write(message, cursor, end, rows, judged if last else None)
            if last:
                await write
                return
            following, written = await asyncio.gather(self._read(message, end), write)
            if not written:
                return
            cursor, rows = end, following

    async def _read(self, message: Message, cursor: int) -> Sequence[Candidate]:
        ceiling = message.freeze_ceiling
        assert ceiling is not None, "a message that has started has a ceiling"
        return await self._database.read(
            lambda tx: subscriptions.audience_step(tx, message.site_id, cursor, ceiling, self._step)
        )

    async def _write(
        self, message: Message, cursor: int, end: int, rows: Sequence[Candidate], audience: int | None
    ) -> bool:
        """One step; with `audience` the last. False when somebody else took it, or the message has ended."""
        now = self._clock.now()
        made = make_batches(message, rows, now, self._ids)

        async def body(tx: Transaction) -> bool:
            if not await messages.freeze_advance(tx, message.id, cursor, end, len(rows)):
                return False
            await batches.add_many(tx, made)
            if audience is not None:
                await messages.frozen(tx, message.id, audience, 0, now)
            return True

        written = await self._database.write(body)
        if written:
            self._metrics.recipients_frozen.inc(len(rows))
        if written and audience is not None:
            log.info("message.frozen", message_id=message.id, audience=audience)
        return written


def make_batches(
    message: Message, candidates: Iterable[Candidate], now: int, ids: IdSource
) -> Sequence[Batch]:
    """Judge each candidate, and pack those of one provider, time and stage together.

    Nothing is carried over to the next step: half-full batches are cheap, and a crash can lose nobody.
    """
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
            members=pack(members[start : start + MAX_MEMBERS]),
            size=len(members[start : start + MAX_MEMBERS]),
            due_at=due_at,
            attempt=1,
            stage=stage,
            variant=0,
            lane=message.lane,
            created_at=now,
        )
        for (provider, due_at, stage), members in groups.items()
        for start in range(0, len(members), MAX_MEMBERS)
    ]
