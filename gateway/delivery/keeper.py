"""Keeps what a sender holds in step with the database: extends leases, notices what must not be sent now."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from gateway.clock import Clock
from gateway.delivery.flight import Flight
from gateway.delivery.gate import Held
from gateway.delivery.limits import SenderLimits
from gateway.delivery.pump import Pump
from gateway.logs import Log
from gateway.metrics import Metrics
from storage import batches, keys, messages, throttles
from storage.database import Database, Transaction
from storage.deliveries import Outcome, SkipReason
from storage.errors import StorageUnavailable
from storage.keys import KeyState
from storage.messages import MessageState
from storage.throttles import Throttle

log = Log(__name__)


class Seen(NamedTuple):
    """What one look at the database says of the messages and keys that are being sent, and of all holds."""

    messages: Mapping[int, MessageState]
    keys: Mapping[int, KeyState]
    throttles: Sequence[Throttle]


class Keeper:
    def __init__(
        self,
        database: Database,
        clock: Clock,
        owner: str,
        pump: Pump,
        limits: SenderLimits,
        metrics: Metrics,
    ) -> None:
        self._database = database
        self._clock = clock
        self._owner = owner
        self._pump = pump
        self._limits = limits
        self._metrics = metrics

    async def keep_leases(self) -> None:
        """Extend the leases of all flights three times within their length, and at once when a stop of this
        process, or of the machine, may have cost them. Runs until cancelled."""
        while True:
            await self._wait_for_turn()
            flights = list(self._pump.flights.values())
            held = [flight.batch.id for flight in flights]
            leased_until = self._clock.monotonic() + self._limits.lease
            try:
                extended = await self._extend(held)
            except StorageUnavailable as exc:
                log.warning("storage.unavailable", hint=exc.hint)
                # Nobody could tell us that a lease ran out: by our own clock it has.
                now = self._clock.monotonic()
                self._lose([flight.batch.id for flight in flights if now > flight.leased_until])
                await asyncio.sleep(self._limits.look_every)
            else:
                self._lose([batch_id for batch_id in held if batch_id not in extended])
                self._pump.extended(extended, leased_until)

    def _lose(self, batch_ids: Sequence[int]) -> None:
        under_way = (self._pump.flights.get(batch_id) for batch_id in batch_ids)
        self._metrics.sending.lost(sum(1 for each in under_way if each is not None and not each.lost))
        self._pump.lose(batch_ids)

    async def _wait_for_turn(self) -> None:
        over = self._pump.lease_is_over
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.lease / 3):
                await over.wait()
        over.clear()

    async def _extend(self, held: list[int]) -> set[int]:
        if not held:
            return set()
        lease_ms = round(self._limits.lease * 1_000)
        return await self._database.write(lambda tx: batches.extend(tx, held, self._owner, lease_ms))

    async def watch(self) -> None:
        """Notice soon what is paused, cancelled or held while its batches are open. Runs until cancelled."""
        has_to_look = True  # at first in any case: what has failed before may answer now
        while True:
            self._pump.give_back_closed()
            if has_to_look:
                # If that fails the recorder notices too, says so and stops sending.
                with suppress(StorageUnavailable):
                    await self._look([flight for flight in self._pump.flights.values() if flight.waiting])
            await asyncio.sleep(self._limits.look_every)
            has_to_look = self._pump.has_to_look

    async def _look(self, waiting: Sequence[Flight]) -> None:
        message_ids = sorted({flight.batch.message_id for flight in waiting})
        key_ids = sorted({key_id for flight in waiting for key_id in flight.keys})
        now = self._clock.now()

        async def body(tx: Transaction) -> Seen:
            return Seen(
                await messages.states(tx, message_ids) if message_ids else {},
                await keys.states(tx, key_ids) if key_ids else {},
                await throttles.in_force(tx, now),
            )

        seen = await self._database.read(body)
        self._pump.gate.know(seen.throttles, now)
        self._pump.give_back_held()
        self._pump.give_back([id for id, state in seen.messages.items() if state is MessageState.PAUSED])
        goes_on = (MessageState.SENDING, MessageState.PAUSED)
        self._pump.give_up(
            [id for id in message_ids if seen.messages.get(id) not in goes_on],
            Outcome.SKIPPED,
            SkipReason.CANCELLED,
        )
        paused = [id for id, state in seen.keys.items() if state is KeyState.PAUSED]
        if paused:
            self._pump.give_back_keys(paused)
        self._metrics.watch_lines(self._pump.lines.values())
        crowded = self._pump.crowded
        if crowded:
            # The claim passes over them for a while, so that those who are set aside remain few.
            until = now + round(2_000 * self._limits.look_every)
            await self._database.write(lambda tx: _pass_over(tx, crowded, until))


async def _pass_over(tx: Transaction, crowded: Sequence[Held], until: int) -> None:
    for site_id, provider in sorted(crowded):
        await throttles.pace(tx, site_id, provider, until)
