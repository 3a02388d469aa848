"""Why a message that is sending stands still, and when it goes on: found out when somebody asks.

Nothing is written down for this. What is left of a message is in batches, so that one look for each provider
that it still has batches of says when the earliest is due; what is held says the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from storage import keys, messages, throttles
from storage.database import Transaction
from storage.keys import KeyState
from storage.messages import Message, MessageState, NextBatch
from storage.throttles import EVERY_PROVIDER, EVERY_SITE, FOR_GOOD, Throttle

RETRY = "waits for another attempt"
KEY_IS_PAUSED = "waits for a paused application server key"


@dataclass(frozen=True, slots=True, order=True)
class Waiting:
    """`until` is FOR_GOOD when it waits for an admin."""

    until: int
    reason: str


async def find_waiting(
    tx: Transaction, site_id: int, found: Sequence[Message], now: int
) -> Mapping[int, Waiting]:
    """By id those of a site's messages that are sending, of which all that is left has to wait."""
    sending = [message.id for message in found if message.state is MessageState.SENDING and message.frozen_at]
    if not sending:
        return {}
    following = await messages.next_batches(tx, sending)
    rows = [*await throttles.of_site(tx, EVERY_SITE), *await throttles.of_site(tx, site_id)]
    held = [row for row in rows if row.not_before > now]
    late = any(each.due_at > now and each.attempt == 1 for each in following)
    paused = late and any(key.state is KeyState.PAUSED for key in await keys.of_site(tx, site_id))
    waiting = {}
    for message_id, batches in groupby(following, attrgetter("message_id")):
        first = min(_wait(batch, held, paused, now) for batch in batches)
        if first.until > now:
            waiting[message_id] = first
    return waiting


def _wait(batch: NextBatch, held: Sequence[Throttle], key_is_paused: bool, now: int) -> Waiting:
    """Of one provider."""
    waits = [Waiting(batch.due_at, RETRY)]
    if batch.attempt == 1 and batch.due_at > now and key_is_paused:
        waits = [Waiting(FOR_GOOD, KEY_IS_PAUSED)]
    for row in held:
        if row.provider in (batch.provider, EVERY_PROVIDER):
            what = "everything" if row.provider == EVERY_PROVIDER else row.provider
            waits.append(Waiting(row.not_before, f"{what} is held: {row.reason}"))
    return max(waits)
