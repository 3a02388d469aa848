"""Messages as admins make, change, pause and cancel them; sending is the scheduler's and senders' part."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from msgspec import structs

from gateway import audit, series
from gateway.audience import read_audience, uploaded_list
from gateway.campaigns.automations import AUTOMATION_PAUSED
from gateway.campaigns.freezing import is_expression, unknown_names
from gateway.campaigns.quotas import NO_QUOTAS, Quotas
from gateway.campaigns.rules import read_rules
from gateway.campaigns.utm import merge_utm
from gateway.categories import unknown_categories
from gateway.context import Context
from gateway.errors import Conflict, InvalidRequest, WrongState
from gateway.idempotency import IdempotencyKey, find_result, remember
from gateway.logs import Log
from gateway.message_draft import Draft, make_message
from gateway.parts import NO_PARTS, Parts, find_parts
from gateway.quotas import check_message
from gateway.site_settings import read_settings
from gateway.waiting import Waiting, find_waiting
from storage import audit as stored_audit
from storage import locks, messages, recipients, sites
from storage.database import Transaction
from storage.errors import Conflict as AlreadyStored
from storage.ids import Kind, encode_id
from storage.messages import GOING_ON, Message, MessageKind, MessageState, Progress, Results

log = Log(__name__)

CHANGEABLE = frozenset({MessageState.DRAFT, MessageState.SCHEDULED})
CANCELLABLE = CHANGEABLE | {MessageState.SENDING, MessageState.PAUSED}
PAUSABLE = frozenset({MessageState.SCHEDULED, MessageState.SENDING})
PAUSED_BY_ADMIN = "paused by an admin"

_TRIES = 3  # of a change that somebody else's change came between


@dataclass(frozen=True, slots=True)
class MessageWithProgress:
    """Of one moment. `progress` is None before the audience is frozen, `waiting` while any of it goes on.

    `recent_rate`: recipients that got their outcome a second of late, as far as that is known.
    """

    message: Message
    progress: Progress | None = None
    results: Results = field(default_factory=Results)
    waiting: Waiting | None = None
    parts: Parts = NO_PARTS
    recent_rate: float | None = None


@dataclass(frozen=True, slots=True)
class Created:
    """`replayed`: this request had made the message before."""

    found: MessageWithProgress
    replayed: bool


async def create_message(
    context: Context, actor: str, site_id: int, draft: Draft, key: IdempotencyKey | None = None
) -> Created:
    """Store it; the scheduler starts it at its time.

    InvalidRequest and PayloadTooLarge as in `make_message`, Conflict, IdempotencyKeyReused,
    storage.errors.NotFound.
    """
    # Before the draft is judged: its `expires_at` may have passed since the first time.
    replayed = await find_created(context, site_id, key)
    if replayed is not None:
        return replayed
    await check_names(context, site_id, draft)
    now = context.clock.now()
    message = make_message(
        await with_utm(context, site_id, draft),
        id=context.ids.next(),
        site_id=site_id,
        created_at=now,
        now=now,
        public_url=context.settings.public_url,
    )
    return await store_message(context, actor, message, key)


async def with_utm(context: Context, site_id: int, draft: Draft) -> Draft:
    """With the site's UTM parameters as they are now where the draft has none. storage.errors.NotFound."""
    site = await context.database.read(lambda tx: sites.get(tx, site_id))
    utm = merge_utm(read_settings(site).utm, draft.content.utm)
    return draft if utm is None else replace(draft, content=structs.replace(draft.content, utm=utm))


async def check_names(context: Context, site_id: int, draft: Draft, kept: Message | None = None) -> None:
    """InvalidRequest when it names a category, a segment or a message that the site has not.

    What `kept`, the message before a change, names in the same place is not looked at.
    """
    audience, category = draft.audience, draft.rules.category
    known = None if kept is None else read_audience(kept.audience_spec)
    if kept is not None and read_rules(kept).category == category:
        category = None
    if (
        audience != known
        and is_expression(audience)
        and (
            errors := await context.database.read(lambda tx: unknown_names(tx, site_id, audience, "audience"))
        )
    ):
        raise InvalidRequest("The audience is not valid.", errors)
    if category is not None and (
        errors := await context.database.read(
            lambda tx: unknown_categories(tx, site_id, [category], "category")
        )
    ):
        raise InvalidRequest(errors=errors)


async def store_message(
    context: Context,
    actor: str,
    message: Message,
    key: IdempotencyKey | None,
    detail: Mapping[str, str] | None = None,
) -> Created:
    """A new message, with its key and its entry in the audit log. WrongState: its recipients were removed;
    Conflict: the site has too many series; QuotaExceeded.

    Of requests with one key that come at the same moment one stores its message, all get that one.
    """
    site_id, list_id = message.site_id, uploaded_list(message.audience_spec)
    note = audit.entry(
        context, actor, "message.created", encode_id(Kind.MESSAGE, message.id), site_id, detail
    )

    async def body(tx: Transaction) -> None:
        site = await sites.get(tx, site_id)
        await check_message(tx, read_settings(site).quotas, message, note.at)
        await series.check_room(tx, message)
        await messages.add(tx, message)
        if list_id is not None and not await recipients.use(tx, site_id, list_id, message.id, note.at):
            raise WrongState("The recipients that were uploaded for it have been removed since.")
        if key is not None:
            await remember(tx, site_id, key, message.id, note.at)
        await stored_audit.add(tx, note)

    try:
        await context.database.write(body)
    except AlreadyStored:
        replayed = await find_created(context, site_id, key)  # the same request at the same moment won
        if replayed is None:
            raise
        return replayed
    log.info("message.accepted", message_id=message.id, site_id=site_id, state=message.state.value)
    return Created(MessageWithProgress(message), replayed=False)


async def find_created(context: Context, site_id: int, key: IdempotencyKey | None) -> Created | None:
    """What an earlier request with this key has made. IdempotencyKeyReused; storage.errors.NotFound."""
    if key is None:
        return None

    async def body(tx: Transaction) -> Created | None:
        await sites.get(tx, site_id)
        message_id = await find_result(tx, site_id, key)
        if message_id is None:
            return None
        return Created(
            await _look(context, tx, site_id, message_id),
            replayed=True,
        )

    return await context.database.read(body)


async def get_message(context: Context, site_id: int, message_id: int) -> MessageWithProgress:
    async def body(tx: Transaction) -> MessageWithProgress:
        await sites.get(tx, site_id)
        return await _look(context, tx, site_id, message_id)

    [found] = with_rates(context, [await context.database.read(body)])
    return found


async def page_of_messages(
    context: Context, site_id: int, before_id: int | None, limit: int, series_id: int | None = None
) -> Sequence[MessageWithProgress]:
    """Newest first; with `series_id` its occurrences."""

    async def body(tx: Transaction) -> Sequence[MessageWithProgress]:
        await sites.get(tx, site_id)
        if series_id is None:
            found = await messages.page(tx, site_id, before_id, limit)
        else:
            found = await messages.page_of_series(tx, site_id, series_id, before_id, limit)
        return await with_progress(tx, site_id, found, context.clock.now())

    return with_rates(context, await context.database.read(body))


async def change_message(
    context: Context, actor: str, site_id: int, message_id: int, change: Callable[[Message, str], Draft]
) -> MessageWithProgress:
    """Give it what `change` makes of it and the site's time zone. WrongState once it has started.

    One that is paused stays so. A category or a segment that it has already may have been deleted, until it
    is to start. Otherwise as `create_message`.
    """
    note = audit.entry(context, actor, "message.changed", encode_id(Kind.MESSAGE, message_id), site_id)
    for _ in range(_TRIES):
        before = (await get_message(context, site_id, message_id)).message
        if before.kind is MessageKind.WITHDRAWAL:
            raise WrongState("A withdrawal shows what the message says: cancel it instead.")
        paused = before.state is MessageState.PAUSED and before.started_at is None
        if before.state not in CHANGEABLE and not paused:
            raise _wrong_state(before, "changed")
        site = await context.database.read(lambda tx: sites.get(tx, site_id))
        draft = change(before, read_settings(site).timezone)
        released = before.state is MessageState.DRAFT and not draft.is_draft
        await check_names(context, site_id, draft, kept=None if released else before)
        wanted = make_message(
            await with_utm(context, site_id, draft),
            id=message_id,
            site_id=site_id,
            created_at=before.created_at,
            now=context.clock.now(),
            public_url=context.settings.public_url,
        )
        after = series.carry_over(before, wanted)
        if paused and not draft.is_draft:
            after = replace(after, state=before.state, state_reason=before.state_reason)

        quotas = read_settings(site).quotas if released else NO_QUOTAS

        async def body(
            tx: Transaction, before: Message = before, after: Message = after, quotas: Quotas = quotas
        ) -> bool:
            await locks.hold(tx, message_id)
            if await messages.get(tx, site_id, message_id) != before:
                return False
            await check_message(tx, quotas, after, note.at)
            await series.check_room(tx, after, before)
            await messages.update_before_start(tx, after)
            await stored_audit.add(tx, note)
            return True

        if await context.database.write(body):
            return MessageWithProgress(after)
    raise Conflict("The message is being changed by others at the same time.")


async def pause_message(context: Context, actor: str, site_id: int, message_id: int) -> MessageWithProgress:
    """Send to nobody until it is resumed. WrongState unless it is scheduled or sending, and no step.

    Pausing what is paused is no error and changes nothing: a repeated click meant just this.
    """
    note = audit.entry(context, actor, "message.paused", encode_id(Kind.MESSAGE, message_id), site_id)

    async def body(tx: Transaction) -> MessageWithProgress:
        await locks.hold(tx, message_id)
        await sites.get(tx, site_id)
        message = await messages.get(tx, site_id, message_id)
        _refuse_step(message)
        paused = MessageState.PAUSED
        if await messages.transition(tx, message_id, PAUSABLE, paused, PAUSED_BY_ADMIN, note.at):
            await stored_audit.add(tx, note)
        elif message.state is not paused:
            raise _wrong_state(message, "paused")
        return await _look(context, tx, site_id, message_id)

    found = await context.database.write(body)
    log.info("message.paused", message_id=message_id, reason=PAUSED_BY_ADMIN)
    return found


async def resume_message(context: Context, actor: str, site_id: int, message_id: int) -> MessageWithProgress:
    """Go on where it was paused: nobody twice, nobody left out. WrongState unless it is paused.

    One that had not started is scheduled again, for the same time; a series for its next occurrence.
    """
    note = audit.entry(context, actor, "message.resumed", encode_id(Kind.MESSAGE, message_id), site_id)

    async def body(tx: Transaction) -> MessageWithProgress:
        await locks.hold(tx, message_id)  # or it could start between the look and the change
        await sites.get(tx, site_id)
        message = await messages.get(tx, site_id, message_id)
        if message.state_reason == AUTOMATION_PAUSED:
            _refuse_step(message)
        state = MessageState.SCHEDULED if message.started_at is None else MessageState.SENDING
        if message.kind is MessageKind.SERIES:
            await series.resume(tx, message, note.at)
        elif not await messages.transition(tx, message_id, {MessageState.PAUSED}, state, None, note.at):
            raise _wrong_state(message, "resumed")
        await stored_audit.add(tx, note)
        return await _look(context, tx, site_id, message_id)

    found = await context.database.write(body)
    log.info("message.resumed", message_id=message_id)
    return found


async def cancel_message(context: Context, actor: str, site_id: int, message_id: int) -> MessageWithProgress:
    """Send to nobody else; who is left counts as skipped. WrongState when it has ended."""
    note = audit.entry(context, actor, "message.cancelled", encode_id(Kind.MESSAGE, message_id), site_id)

    async def body(tx: Transaction) -> MessageWithProgress:
        await sites.get(tx, site_id)
        message = await messages.get(tx, site_id, message_id)
        _refuse_step(message)
        if not await messages.transition(tx, message_id, CANCELLABLE, MessageState.CANCELLED, None, note.at):
            raise _wrong_state(message, "cancelled")
        await stored_audit.add(tx, note)
        return await _look(context, tx, site_id, message_id)

    found = await context.database.write(body)
    log.info("message.cancelled", message_id=message_id, reason="cancelled by an admin")
    return found


async def _look(context: Context, tx: Transaction, site_id: int, message_id: int) -> MessageWithProgress:
    message = await messages.get(tx, site_id, message_id)
    [found] = await with_progress(tx, site_id, [message], context.clock.now())
    return found


async def with_progress(
    tx: Transaction, site_id: int, found: Sequence[Message], now: int
) -> Sequence[MessageWithProgress]:
    """Messages of one site as they stand at this moment."""
    progress = await messages.progress_of(tx, [each.id for each in found])
    parts = await find_parts(tx, found)
    waiting = await find_waiting(tx, site_id, found, parts, now)
    return [
        MessageWithProgress(each, *progress[each.id], waiting.get(each.id), parts.get(each.id, NO_PARTS))
        for each in found
    ]


def with_rates(context: Context, found: Sequence[MessageWithProgress]) -> Sequence[MessageWithProgress]:
    """What was found just now, with the rates of those that go on."""
    now, rates = context.clock.monotonic(), context.recent_rates
    return [
        each
        if each.progress is None or each.message.state not in GOING_ON
        else replace(each, recent_rate=rates.note(each.message.id, each.progress.done, now))
        for each in found
    ]


def _refuse_step(message: Message) -> None:
    """WrongState: it stands and falls with its automation."""
    if message.kind is MessageKind.STEP:
        raise WrongState("This message is a step of an automation: pause, change or delete that.")


def _wrong_state(message: Message, verb: str) -> WrongState:
    return WrongState(f"A message that is {message.state} cannot be {verb}.")
