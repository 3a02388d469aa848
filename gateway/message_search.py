"""Messages of a site by state and title."""

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import Struct, json

from gateway.context import Context
from gateway.messages import MessageWithProgress, with_progress, with_rates
from storage import message_search, sites
from storage.database import Transaction
from storage.messages import MessageState

LOOKED_AT = 5_000  # messages a request: some 10 ms


@dataclass(frozen=True, slots=True)
class Found:
    """`next_id`: where the search goes on; None when there is nothing left to look at."""

    items: Sequence[MessageWithProgress]
    next_id: int | None


class _Titled(Struct, frozen=True):
    title: str


class _Content(Struct, frozen=True):
    """Of `messages.content` what is looked at."""

    notification: _Titled


_DECODER = json.Decoder(_Content)


async def search_messages(
    context: Context,
    site_id: int,
    before_id: int | None,
    limit: int,
    *,
    state: MessageState | None,
    title: str | None,
) -> Found:
    """Newest first: up to `limit` of the next `LOOKED_AT`, so there may be fewer, and none, before the end.

    `title` is a part of the title, whatever the case. storage.errors.NotFound without the site.
    """
    part = None if title is None else title.casefold()

    async def body(tx: Transaction) -> Found:
        await sites.get(tx, site_id)
        seen = await message_search.stretch(tx, site_id, before_id, LOOKED_AT, with_contents=part is not None)
        fitting = [
            id
            for id, its_state, content in seen
            if (state is None or its_state is state)
            and (part is None or part in _DECODER.decode(content).notification.title.casefold())
        ]
        ids = fitting[:limit]
        if len(fitting) > limit:
            next_id: int | None = ids[-1]
        else:
            next_id = seen[-1][0] if len(seen) == LOOKED_AT else None
        found = await message_search.listed(tx, ids)
        return Found(await with_progress(tx, site_id, found, context.clock.now()), next_id)

    found = await context.database.read(body)
    return Found(with_rates(context, found.items), found.next_id)
