"""From claimed batches to flights: reads their members and decides who of them is still to be sent to."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from gateway.context import Context
from gateway.delivery.flight import KEY_IS_PAUSED, Flight, Member
from gateway.delivery.guard import keep_to_windows
from gateway.delivery.outgoing import OutgoingCache
from gateway.delivery.recorder import Recorder
from gateway.delivery.sparing import spare
from gateway.delivery.unrecorded import YOUNG
from gateway.outgoing import Outgoing
from gateway.tokens import EVENT_TOKENS
from storage import deliveries, keys, messages, recipients, sites, subscriptions
from storage.batches import MAX_MEMBERS, Batch, unpack
from storage.database import Transaction
from storage.deliveries import Outcome, SkipReason
from storage.keys import ApplicationServerKey, KeyState
from storage.messages import Message
from storage.sites import Site
from storage.subscription import VisitorRow
from storage.subscriptions import SubscriptionState


@dataclass(frozen=True, slots=True)
class Page:
    """What one snapshot says about several batches. Sites and messages that were deleted are absent."""

    sites: Mapping[int, Site]
    messages: Mapping[int, Message]
    keys: Mapping[int, ApplicationServerKey]
    due: Mapping[int, Sequence[int]]  # by batch: the members still to be sent at its attempt
    members: Mapping[int, Sequence[Member]]  # by batch
    called_gone: Mapping[int, Collection[int]]  # by batch: who was called gone already, and too young for it


class Reader:
    """Reads claimed batches. Members who cannot be sent to any more are settled at once."""

    def __init__(self, context: Context, recorder: Recorder) -> None:
        self._database = context.database
        self._clock = context.clock
        self._master_key = context.master_key
        self._outgoing = OutgoingCache(context.settings.public_url)
        self._recorder = recorder

    async def open(self, claimed: Sequence[Batch]) -> list[Flight]:
        """A flight for each batch. The batches of a site that was deleted get none: they go with the site."""
        flights: list[Flight] = []
        for batches in _pages(claimed):
            message_ids = {batch.message_id for batch in batches}
            outgoing = self._outgoing.get(message_ids)
            unread = sorted(message_ids.difference(outgoing))
            page = await self._database.read(lambda tx, b=batches, u=unread: _read(tx, b, u))  # type: ignore[misc]
            if page.messages:
                outgoing |= self._outgoing.add(page.messages.values())
            now = self._clock.now()
            for batch in batches:
                flight = self._flight(batch, page, outgoing.get(batch.message_id), now)
                if flight is not None:
                    flights.append(flight)
                    site = page.sites[batch.site_id]
                    quiet = flight.outgoing.quiet_hours(site)
                    if quiet is not None:
                        await keep_to_windows(self._database, flight, quiet, now)
                    await spare(
                        self._database, self._recorder, flight, flight.outgoing.frequency_cap(site), now
                    )
                    if flight.outgoing.needs_visitors:
                        await self._meet(flight)
        return flights

    async def _meet(self, flight: Flight) -> None:
        """Read what the message says of each recipient, of those who wait."""
        ids = [member[0] for member in flight.waiting]
        site_id, list_id = flight.batch.site_id, flight.outgoing.list_id

        async def body(tx: Transaction) -> Mapping[int, VisitorRow]:
            visitors = await subscriptions.visitors(tx, site_id, ids)
            if list_id is None:
                return visitors
            told = await recipients.of_members(tx, site_id, list_id, ids)
            return {id: visitor._replace(told=told.get(id)) for id, visitor in visitors.items()}

        flight.visitors = await self._database.read(body)

    def _flight(self, batch: Batch, page: Page, outgoing: Outgoing | None, now: int) -> Flight | None:
        site = page.sites.get(batch.site_id)
        if outgoing is None or site is None:
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
            outgoing=outgoing,
            contact=site.contact,
            event_key=self._master_key.derive(EVENT_TOKENS, batch.site_id),
            keys=usable,
            waiting=[member for member in sendable if member[5] not in paused] if waiting else sendable,
            started_at=now,
            called_gone=page.called_gone.get(batch.id, ()),
        )
        self._wait_for_key(flight, waiting, now)
        for subscription_id, reason in unsendable:
            self._recorder.settle(flight, subscription_id, Outcome.SKIPPED, reason)
        return flight

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


def _pages(claimed: Sequence[Batch]) -> Iterator[list[Batch]]:
    """Together as many batches as one snapshot should read: a full one, or many small ones."""
    page: list[Batch] = []
    for batch in claimed:
        if page and sum(each.size for each in page) + batch.size > MAX_MEMBERS:
            yield page
            page = []
        page.append(batch)
    if page:
        yield page


async def _read(tx: Transaction, batches: Sequence[Batch], unknown_messages: Sequence[int]) -> Page:
    due: dict[int, Sequence[int]] = {}
    members: dict[int, Sequence[Member]] = {}
    called_gone: dict[int, Collection[int]] = {}
    for batch in batches:
        ids = unpack(batch.members)
        if batch.attempt > 1 or batch.leases > 1:  # otherwise nobody can have sent any of it
            open_ids = await deliveries.at_attempt(tx, batch.site_id, batch.message_id, ids, batch.attempt)
            ids = ids if open_ids is None else [id for id in ids if id in open_ids]
        due[batch.id] = ids
        rows = await subscriptions.members(tx, batch.site_id, ids)
        members[batch.id] = cast(Sequence[Member], rows)
        if batch.attempt > 1:
            young = [member[0] for member in members[batch.id] if member[9] > batch.created_at - YOUNG]
            if young:
                called_gone[batch.id] = await deliveries.called_gone(
                    tx, batch.site_id, batch.message_id, young
                )
    key_ids = {member[5] for rows in members.values() for member in rows}
    site_ids = {batch.site_id for batch in batches}
    return Page(
        sites={site.id: site for site in await sites.page(tx, limit=len(site_ids), only=site_ids)},
        messages=await messages.by_ids(tx, unknown_messages) if unknown_messages else {},
        keys={key.id: key for key in await keys.by_ids(tx, list(key_ids))},
        due=due,
        members=members,
        called_gone=called_gone,
    )
