"""Why a message that is sending stands still, and when it goes on: found out when somebody asks.

Nothing is written down for this. What is left of a message is in batches, so that one look for each provider
that it still has batches of says when the earliest is due; what is held says the rest.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from gateway.campaigns.plan import quiet_hours_of
from gateway.campaigns.quiet_hours import Quiet
from gateway.campaigns.rules import Rules, read_rules
from gateway.campaigns.stages import release_at, waits_for
from gateway.parts import Parts
from gateway.site_settings import SiteSettings, read_settings
from storage import keys, messages, sites, throttles
from storage.database import Transaction
from storage.keys import KeyState
from storage.messages import Message, MessageState, NextBatch
from storage.throttles import EVERY_PROVIDER, EVERY_SITE, FOR_GOOD, Throttle

RETRY = "waits for another attempt"
LOCAL_TIME = "waits for the local time of the next recipients"
BEST_HOUR = "waits for the best hour of the next recipients"
QUIET_HOURS = "waits for the end of quiet hours"
PLANNED = "the next recipients are planned for later"
KEY_IS_PAUSED = "waits for a paused application server key"


@dataclass(frozen=True, slots=True, order=True)
class Waiting:
    """`until` is FOR_GOOD when it waits for an admin, or for what has no time yet."""

    until: int
    reason: str


async def find_waiting(
    tx: Transaction, site_id: int, found: Sequence[Message], parts: Mapping[int, Parts], now: int
) -> Mapping[int, Waiting]:
    """By id those of a site's messages that are sending, of which all that is left has to wait."""
    sending = [message.id for message in found if message.state is MessageState.SENDING and message.frozen_at]
    if not sending:
        return {}
    following = await messages.next_batches(tx, sending)
    rows = [*await throttles.of_site(tx, EVERY_SITE), *await throttles.of_site(tx, site_id)]
    held = [row for row in rows if row.not_before > now]
    for_key = any(each.due_at > now and each.waits_for_key for each in following)
    paused = for_key and any(key.state is KeyState.PAUSED for key in await keys.of_site(tx, site_id))
    by_id = {message.id: message for message in found}
    windows = any(each.window_ends_at is not None for each in following)
    settings = read_settings(await sites.get(tx, site_id)) if windows else SiteSettings()
    waiting = {}
    for message_id, batches in groupby(following, attrgetter("message_id")):
        message = by_id[message_id]
        rules = read_rules(message)
        quiet = quiet_hours_of(message, rules, settings)
        first = min(max([_plan(batch, rules, quiet, paused, now), *_holds(batch, held)]) for batch in batches)
        if first.until > now:
            waiting[message_id] = first
    going_on = {batch.message_id for batch in following}.difference(waiting)
    for message_id in set(sending).difference(going_on):
        rest = _held_rest(by_id[message_id], parts.get(message_id))
        if rest is not None and rest.until > now:
            waiting[message_id] = min(rest, waiting.get(message_id, rest))
    return waiting


def _held_rest(message: Message, parts: Parts | None) -> Waiting | None:
    """What those wait for who are held until the first part has shown how it goes."""
    rules, known = read_rules(message), None if parts is None else parts.stages
    if known is None or known.released_at is not None or not rules.holds_the_rest:
        return None
    return Waiting(release_at(rules, known.tried_at) or FOR_GOOD, waits_for(rules))


def _plan(batch: NextBatch, rules: Rules, quiet: Quiet | None, key_is_paused: bool, now: int) -> Waiting:
    """When a provider's next batch is due, and why not before."""
    if batch.waits_for_key and batch.due_at > now and key_is_paused:
        return Waiting(FOR_GOOD, KEY_IS_PAUSED)
    if quiet is not None and batch.window_ends_at is not None and batch.due_at <= now >= batch.window_ends_at:
        # The sender that claims it next finds that out, and plans it for then.
        return Waiting(batch.window_ends_at + quiet.length, QUIET_HOURS)
    if batch.attempt > 1:
        return Waiting(batch.due_at, RETRY)
    if rules.local_time is not None:
        return Waiting(batch.due_at, LOCAL_TIME)
    if rules.best_hour is not None:
        return Waiting(batch.due_at, BEST_HOUR)
    return Waiting(batch.due_at, PLANNED if quiet is None else QUIET_HOURS)


def _holds(batch: NextBatch, held: Sequence[Throttle]) -> Iterator[Waiting]:
    for row in held:
        if row.provider in (batch.provider, EVERY_PROVIDER):
            what = "everything" if row.provider == EVERY_PROVIDER else row.provider
            yield Waiting(row.not_before, f"{what} is held: {row.reason}")
