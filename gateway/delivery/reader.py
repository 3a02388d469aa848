"""From claimed batches to flights: reads their members and decides who of them is still to be sent to."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gateway.campaigns.withdrawal import DELETES
from gateway.context import Context
from gateway.delivery.details import Asked, Details, read_details
from gateway.delivery.flight import KEY_IS_PAUSED, Flight, Member
from gateway.delivery.guard import keep_to_windows
from gateway.delivery.outgoing import OutgoingCache
from gateway.delivery.page import Page, in_pages, read_page
from gateway.delivery.recorder import Recorder
from gateway.delivery.sparing import spare
from gateway.outgoing import Outgoing
from gateway.tokens import EVENT_TOKENS
from storage.batches import Batch
from storage.deliveries import Outcome, SkipReason
from storage.keys import KeyState
from storage.subscriptions import SubscriptionState


class Opening(NamedTuple):
    """A page of batches, and all that was read of them."""

    page: Page
    outgoing: Mapping[int, Outgoing]  # by message
    asked: Mapping[int, Asked]  # by message
    details: Details


class Reader:
    """Reads claimed batches. Members who cannot be sent to any more are settled at once."""

    def __init__(self, context: Context, recorder: Recorder) -> None:
        self._database = context.database
        self._clock = context.clock
        self._master_key = context.master_key
        self._outgoing = OutgoingCache(context.settings.public_url)
        self._recorder = recorder

    async def open(self, claimed: Sequence[Batch]) -> list[Flight]:
        """A flight for each batch. The batches of a site that was deleted get none: they go with the site.

        Everything is read before anybody is settled: if the database goes away on the way there, the batches
        go back as if nobody had claimed them, and whoever claims them next judges their members anew.
        """
        openings = [await self._read(batches) for batches in in_pages(claimed)]
        now = self._clock.now()
        flights = (
            self._flight(batch, opening, now) for opening in openings for batch in opening.page.batches
        )
        return [flight for flight in flights if flight is not None]

    async def _read(self, batches: Sequence[Batch]) -> Opening:
        message_ids = {batch.message_id for batch in batches}
        outgoing = self._outgoing.get(message_ids)
        unread = sorted(message_ids.difference(outgoing))
        page = await self._database.read(lambda tx: read_page(tx, batches, unread))
        if page.messages:
            outgoing |= self._outgoing.add(page.messages.values())
        asked = {
            batch.message_id: Asked.by(
                batch.message_id, outgoing[batch.message_id], page.sites[batch.site_id]
            )
            for batch in {batch.message_id: batch for batch in batches}.values()
            if batch.message_id in outgoing and batch.site_id in page.sites
        }
        asking = [
            (asked[batch.message_id], [member[0] for member in page.members[batch.id]])
            for batch in batches
            if batch.message_id in asked and asked[batch.message_id].anything
        ]
        details = Details()
        if asking:
            now = self._clock.now()
            details = await self._database.read(lambda tx: read_details(tx, asking, now))
        return Opening(page, outgoing, asked, details)

    def _flight(self, batch: Batch, opening: Opening, now: int) -> Flight | None:
        page, asked = opening.page, opening.asked.get(batch.message_id)
        if asked is None:  # its message or its site was deleted
            return None
        usable = {id: key for id, key in page.keys.items() if key.state is not KeyState.RETIRED}
        sendable, unsendable = [], []
        for member in page.members[batch.id]:
            reason = skip_reason(member, usable, now)
            if reason is None:
                sendable.append(member)
            else:
                unsendable.append((member[0], reason))
        paused = {id for id, key in usable.items() if key.state is KeyState.PAUSED}
        waiting = [member for member in sendable if member[5] in paused] if paused else []
        missing = set(page.due[batch.id]).difference(member[0] for member in page.members[batch.id])
        unsendable += [(subscription_id, SkipReason.DELETED) for subscription_id in missing]
        flight = Flight(
            batch=batch,
            outgoing=opening.outgoing[batch.message_id],
            contact=page.sites[batch.site_id].contact,
            event_key=self._master_key.derive(EVENT_TOKENS, batch.site_id),
            keys=usable,
            waiting=[member for member in sendable if member[5] not in paused] if waiting else sendable,
            started_at=now,
            called_gone=page.called_gone.get(batch.id, ()),
            keeps_locations=batch.provider == DELETES and asked.is_withdrawable,
            locations=opening.details.locations_of(asked),
        )
        self._wait_for_key(flight, waiting, now)
        for subscription_id, reason in unsendable:
            self._recorder.settle(flight, subscription_id, Outcome.SKIPPED, reason)
        if asked.failure is not None:
            self._fail(flight, asked.failure)
        elif asked.anything or asked.quiet is not None:
            self._ask(flight, asked, opening.details, now)
        return flight

    def _fail(self, flight: Flight, reason: str) -> None:
        waiting, flight.waiting = flight.waiting, []
        for member in waiting:
            self._recorder.settle(flight, member[0], Outcome.RENDER_FAILED, reason)

    def _ask(self, flight: Flight, asked: Asked, details: Details, now: int) -> None:
        """Leave those in the flight who are to get it now, with what it says of them."""
        if asked.needs_visitors:
            flight.visitors = details.visitors_of(asked, flight.waiting)
        if asked.quiet is not None:
            keep_to_windows(flight, asked.quiet, flight.visitors or {}, now)
        spare(self._recorder, flight, details.spared(asked), asked.cap)

    def _wait_for_key(self, flight: Flight, members: list[Member], now: int) -> None:
        """Their key is paused: later, as long as there is time."""
        due_at = flight.look_again_at(now)
        if due_at is not None:
            flight.leave(members, due_at, waits_for_key=True)
            return
        for member in members:
            self._recorder.settle(flight, member[0], Outcome.EXPIRED, KEY_IS_PAUSED)


_SKIPPED_STATES = {
    SubscriptionState.GONE: SkipReason.GONE,
    SubscriptionState.UNSUBSCRIBED: SkipReason.UNSUBSCRIBED,
    SubscriptionState.EXPIRED: SkipReason.EXPIRED,
    SubscriptionState.ERASED: SkipReason.ERASED,
}


def skip_reason(member: Member, usable_keys: Mapping[int, object], now: int) -> SkipReason | None:
    """Why a member of a frozen audience is not sent to after all; None when it is. Pure."""
    _, state, _, _, _, key_id, expires_at, _, _, _ = member
    if state != SubscriptionState.ACTIVE:
        return _SKIPPED_STATES[SubscriptionState(state)]
    if expires_at is not None and expires_at <= now:
        return SkipReason.EXPIRED
    if key_id not in usable_keys:
        return SkipReason.KEY_RETIRED
    return None
