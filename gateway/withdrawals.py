"""A message taken back, as far as that is possible: from those for whom push services still keep it.

The withdrawal is a message of its own (kind `withdrawal`), with progress, that can be paused and cancelled.
"""

from gateway import audit
from gateway.audience import AudienceSpec, write_audience
from gateway.campaigns.quiet_hours import WithQuietHours
from gateway.campaigns.rules import Rules, read_rules, write_rules
from gateway.campaigns.withdrawal import topic_of, withdrawing
from gateway.content import read_content, write_content
from gateway.context import Context
from gateway.errors import WrongState
from gateway.messages import MessageWithProgress, get_message
from gateway.retention import check_kept
from storage import audit as stored_audit
from storage import locks, messages, sites, withdrawals
from storage.database import Transaction
from storage.ids import Kind, encode_id
from storage.messages import GOING_ON, Message, MessageKind, MessageState
from storage.sites import Site

WITHDRAWN = "withdrawn: whoever had not got it by then does not get it"

_NEVER = {
    MessageKind.SERIES: "A series sends nothing itself: withdraw its occurrences.",
    MessageKind.STEP: "Steps of automations cannot be withdrawn.",
    MessageKind.WITHDRAWAL: "A withdrawal cannot be withdrawn: cancel it.",
}


async def withdraw_message(
    context: Context, actor: str, site_id: int, message_id: int
) -> MessageWithProgress:
    """Its withdrawal. One that is sending is cancelled first. Asked for again it is the same withdrawal,

    unless that was cancelled. WrongState: it cannot be withdrawn, or not any more; RowsRemoved: nobody knows
    any more who was sent it; storage.errors.NotFound.
    """
    note = audit.entry(context, actor, "message.withdrawn", encode_id(Kind.MESSAGE, message_id), site_id)
    withdrawal_id = context.ids.next()

    async def body(tx: Transaction) -> int:
        await locks.hold(tx, message_id)
        site = await sites.get(tx, site_id)
        message = await messages.get(tx, site_id, message_id)
        last = (await withdrawals.last_of(tx, [message_id])).get(message_id)
        if last is not None and last.state is not MessageState.CANCELLED:
            return last.id
        _check(message, note.at)
        await check_kept(tx, context.settings, message_id)
        await messages.transition(tx, message_id, GOING_ON, MessageState.CANCELLED, WITHDRAWN, note.at)
        await messages.add(tx, _withdrawal(message, site, withdrawal_id, note.at))
        await stored_audit.add(tx, note)
        return withdrawal_id

    return await get_message(context, site_id, await context.database.write(body))


def _check(message: Message, now: int) -> None:
    if message.kind in _NEVER:
        raise WrongState(_NEVER[message.kind])
    if message.started_at is None:
        raise WrongState("It has not been sent to anybody: change or cancel it.")
    rules = read_rules(message)
    if not rules.withdrawable:
        raise WrongState("It was not made `withdrawable`: push services have nothing to know it by.")
    if rules.dry_run:
        raise WrongState("This was a dry run: it has not been sent to anybody.")
    if message.expires_at is not None and message.expires_at <= now:
        raise WrongState("Its time is over: push services do not keep it any more.")


def _withdrawal(message: Message, site: Site, id: int, now: int) -> Message:
    """Of the message's own priority and lane, without its rules. It is tried as long as the message may wait

    with push services: for its TTL.
    """
    content = read_content(message)
    topic = topic_of(message.id, content.options, read_rules(message))
    return Message(
        id=id,
        site_id=message.site_id,
        kind=MessageKind.WITHDRAWAL,
        parent_id=message.id,
        priority=message.priority,
        lane=message.lane,
        content=write_content(withdrawing(content, topic, site.origins[0])),
        audience_spec=write_audience(AudienceSpec(withdrawal_of=message.id)),
        ttl=message.ttl,
        send_at=now,
        expires_at=message.expires_at,
        created_at=now,
        rules=write_rules(Rules(quiet_hours=WithQuietHours.OVERRIDE)),
    )
