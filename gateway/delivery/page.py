"""What the database says about claimed batches: a page of them in one snapshot."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from gateway.delivery.flight import Member
from gateway.delivery.unrecorded import YOUNG
from storage import deliveries, keys, messages, sites, subscriptions
from storage.batches import MAX_MEMBERS, Batch, unpack
from storage.database import Transaction
from storage.keys import ApplicationServerKey
from storage.messages import Message
from storage.sites import Site


@dataclass(frozen=True, slots=True)
class Page:
    """Sites and messages that were deleted are absent."""

    batches: Sequence[Batch]
    sites: Mapping[int, Site]
    messages: Mapping[int, Message]  # those that were asked for
    keys: Mapping[int, ApplicationServerKey]
    due: Mapping[int, Sequence[int]]  # by batch: the members still to be sent at its attempt
    members: Mapping[int, Sequence[Member]]  # by batch
    called_gone: Mapping[int, Collection[int]]  # by batch: who was called gone already, and too young for it


def in_pages(claimed: Sequence[Batch]) -> Iterator[list[Batch]]:
    """Together as many batches as one snapshot should read: a full one, or many small ones."""
    page: list[Batch] = []
    for batch in claimed:
        if page and sum(each.size for each in page) + batch.size > MAX_MEMBERS:
            yield page
            page = []
        page.append(batch)
    if page:
        yield page


async def read_page(tx: Transaction, batches: Sequence[Batch], message_ids: Sequence[int]) -> Page:
    """`message_ids`: of the messages to be read."""
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
        batches=batches,
        sites={site.id: site for site in await sites.page(tx, limit=len(site_ids), only=site_ids)},
        messages=await messages.by_ids(tx, message_ids) if message_ids else {},
        keys={key.id: key for key in await keys.by_ids(tx, list(key_ids))},
        due=due,
        members=members,
        called_gone=called_gone,
    )
