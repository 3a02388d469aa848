"""An admin releases the rest of a message, and chooses what it gets."""

from gateway import audit
from gateway.campaigns.rules import Rules, read_rules
from gateway.context import Context
from gateway.errors import FieldError, InvalidRequest, WrongState
from gateway.messages import MessageWithProgress, get_message
from storage import audit as stored_audit
from storage import locks, messages, sites, stages
from storage.database import Transaction
from storage.ids import Kind, encode_id
from storage.messages import Message, MessageState

RELEASABLE = frozenset({MessageState.SENDING, MessageState.PAUSED})


async def release_message(
    context: Context, actor: str, site_id: int, message_id: int, variant: str | None
) -> MessageWithProgress:
    """The rest is held no longer. `variant`: its name, needed if and only if it waits for a winner.

    One that is paused stays so. WrongState when nothing of it is held (any more), or not everybody has been
    judged yet; InvalidRequest when the variant is wrong; storage.errors.NotFound.
    """
    detail = {} if variant is None else {"variant": variant}
    note = audit.entry(
        context, actor, "message.released", encode_id(Kind.MESSAGE, message_id), site_id, detail
    )

    async def body(tx: Transaction) -> None:
        await locks.hold(tx, message_id)
        await sites.get(tx, site_id)
        message = await messages.get(tx, site_id, message_id)
        rules = read_rules(message)
        _check_state(message, rules)
        winner = _winner(rules, variant)
        decision = "released by an admin" if variant is None else f"{variant}, chosen by an admin"
        if not await stages.release(tx, message_id, note.at, decision, winner):
            raise WrongState("The rest of the message has been released before.")
        await stored_audit.add(tx, note)

    await context.database.write(body)
    return await get_message(context, site_id, message_id)


def _check_state(message: Message, rules: Rules) -> None:
    if not rules.holds_the_rest:
        raise WrongState("Nothing of this message waits for a release.")
    if message.state not in RELEASABLE:
        raise WrongState(f"A message that is {message.state} has no rest to release.")
    if message.frozen_at is None:
        raise WrongState("Its audience is still being read. Try again when its progress shows an audience.")


def _winner(rules: Rules, variant: str | None) -> int | None:
    """The number of the variant that the rest gets; None for a roll-out, where everybody has one already."""
    if rules.variants is None or rules.variants.winner is None:
        if variant is None:
            return None
        raise _wrong("Only a message that waits for a winner takes one: leave this out.")
    if variant is None:
        raise _wrong("Say which variant the rest gets.")
    winner = rules.variants.index_of(variant)
    if winner is None:
        names = ", ".join(repr(option.name) for option in rules.variants.options)
        raise _wrong(f"There is no such variant; its names are {names}.")
    return winner


def _wrong(sentence: str) -> InvalidRequest:
    return InvalidRequest("The rest cannot be released like this.", [FieldError("variant", sentence)])
