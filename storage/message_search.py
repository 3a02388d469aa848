"""A stretch of a site's messages, looked through for some of them.

There is no index by state or title: each would cost every message something, for a list that people look at.
"""

from collections.abc import Sequence

from storage.database import Transaction
from storage.ids import MAX_ID
from storage.messages import Message, MessageState, message_of
from storage.queries import load

_SQL = load("message_search")

StateAndContent = tuple[int, MessageState, str]


async def stretch(
    tx: Transaction, site_id: int, before_id: int | None, limit: int, *, with_contents: bool
) -> Sequence[StateAndContent]:
    """(id, state, content), newest first, tests left out; the content is "" unless it is asked for."""
    before = MAX_ID if before_id is None else before_id
    if with_contents:
        rows = await tx.fetch(_SQL["contents"], site_id, before, limit)
    else:
        rows = [(*row, "") for row in await tx.fetch(_SQL["states"], site_id, before, limit)]
    return [(id, MessageState(state), content) for id, state, content in rows]


async def listed(tx: Transaction, ids: Sequence[int]) -> Sequence[Message]:
    """Those that exist, newest first; `audience_spec` is empty."""
    return [message_of(row) for row in await tx.fetch(_SQL["listed"], list(ids))]
