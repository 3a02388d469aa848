"""Keeps what a sender holds in step with the database: extends leases, notices messages that were stopped."""

import asyncio

from gateway.clock import Clock
from gateway.delivery.pump import Pump, SenderLimits
from gateway.logs import Log
from storage import batches, messages
from storage.database import Database
from storage.deliveries import Outcome, SkipReason
from storage.errors import StorageUnavailable
from storage.messages import MessageState

log = Log(__name__)

LOOK_EVERY = 0.5  # seconds until a cancelled message's last POST, at most


class Keeper:
    def __init__(
        self, database: Database, clock: Clock, owner: str, pump: Pump, limits: SenderLimits
    ) -> None:
        self._database = database
        self._clock = clock
        self._owner = owner
        self._pump = pump
        self._limits = limits

    async def keep_leases(self) -> None:
        """Extend the leases of all flights three times within their length. Runs until cancelled."""
        lease = self._limits.lease
        extended_at = self._clock.monotonic()
        while True:
            await asyncio.sleep(lease / 3)
            held = list(self._pump.flights)
            asked_at = self._clock.monotonic()
            try:
                extended = await self._extend(held)
            except StorageUnavailable as exc:
                log.warning("storage.unavailable", hint=exc.hint)
                # Nobody could tell us that a lease ran out: by our own clock it has.
                if self._clock.monotonic() - extended_at > lease:
                    self._pump.lose(held)
            else:
                extended_at = asked_at
                self._pump.lose(batch_id for batch_id in held if batch_id not in extended)

    async def _extend(self, held: list[int]) -> set[int]:
        if not held:
            return set()
        lease_ms = round(self._limits.lease * 1_000)
        return await self._database.write(lambda tx: batches.extend(tx, held, self._owner, lease_ms))

    async def watch_messages(self) -> None:
        """Notice soon that a message was cancelled while its batches were open. Runs until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            wanted = {flight.batch.message_id for flight in self._pump.flights.values() if flight.waiting}
            if not wanted:
                continue
            try:
                states = await self._database.read(lambda tx: messages.states(tx, list(wanted)))  # noqa: B023
            except StorageUnavailable:
                continue  # the recorder notices too, says so and stops sending
            self._pump.give_up(
                [id for id in wanted if states.get(id) is not MessageState.SENDING],
                Outcome.SKIPPED,
                SkipReason.CANCELLED,
            )
