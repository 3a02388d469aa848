"""Automations as admins make, change, pause and delete them. The scheduler walks visitors through them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gateway import audit
from gateway.automation_steps import Made, StepDraft, make_steps
from gateway.campaigns.automations import (
    AUTOMATION_PAUSED,
    MOST_OF_SITE,
    Definition,
    Trigger,
    read_definition,
    write_definition,
)
from gateway.categories import unknown_categories
from gateway.context import Context
from gateway.errors import Conflict, FieldError, InvalidRequest
from gateway.idempotency import IdempotencyKey, find_result, remember
from gateway.messages import MessageWithProgress, with_progress, with_utm
from storage import audit as stored_audit
from storage import automations, locks, messages, sites, steps
from storage.automations import Automation, AutomationState
from storage.database import Transaction
from storage.errors import Conflict as AlreadyStored
from storage.ids import Kind, encode_id
from storage.steps import Totals

DELETED = "its automation was deleted while it was paused"
REPLACED = "it was taken out of its automation while it was paused"
MOST_COUNTED = 100_000  # visitors who wait

_TRIES = 3  # of a change that somebody else's change came between


@dataclass(frozen=True, slots=True, kw_only=True)
class AutomationDraft:
    """What an admin wants. `steps` None: those that it has."""

    name: str
    state: AutomationState
    trigger: Trigger
    cancel_on: tuple[str, ...]
    once: bool
    steps: Sequence[StepDraft] | None


@dataclass(frozen=True, slots=True)
class AutomationWithSteps:
    """Of one moment. `messages` are the steps' own, `totals` count those of all rounds; `waiting` counts to
    MOST_COUNTED.
    """

    automation: Automation
    definition: Definition
    messages: Sequence[MessageWithProgress]
    totals: Sequence[Totals]
    waiting: int


@dataclass(frozen=True, slots=True)
class Created:
    """`replayed`: this request had made the automation before."""

    found: AutomationWithSteps
    replayed: bool


async def create_automation(
    context: Context, actor: str, site_id: int, draft: AutomationDraft, key: IdempotencyKey | None = None
) -> Created:
    """InvalidRequest and PayloadTooLarge as for messages; Conflict: the site has too many;
    IdempotencyKeyReused.
    """
    replayed = await find_created(context, site_id, key)
    if replayed is not None:
        return replayed
    _check(draft)
    now, id = context.clock.now(), context.ids.next()
    made = await make_steps(context, site_id, id, await _ready(context, site_id, draft.steps or ()), now)
    automation = Automation(
        id=id,
        site_id=site_id,
        name=draft.name,
        state=draft.state,
        version=1,
        definition=write_definition(_definition(draft, made)),
        created_at=now,
        changed_at=now,
    )
    note = audit.entry(context, actor, "automation.created", encode_id(Kind.AUTOMATION, id), site_id)

    async def body(tx: Transaction) -> AutomationWithSteps:
        await locks.hold(tx, site_id)
        await sites.get(tx, site_id)
        if len(await automations.page(tx, site_id, limit=MOST_OF_SITE)) == MOST_OF_SITE:
            raise Conflict(f"The site has {MOST_OF_SITE} automations, more there cannot be.")
        await automations.add(tx, automation)
        for message in made.fresh:
            await messages.add(tx, message)
        if key is not None:
            await remember(tx, site_id, key, id, now)
        await stored_audit.add(tx, note)
        return await _look(context, tx, site_id, id)

    try:
        return Created(await context.database.write(body), replayed=False)
    except AlreadyStored:
        replayed = await find_created(context, site_id, key)  # the same request at the same moment won
        if replayed is None:
            raise
        return replayed


async def find_created(context: Context, site_id: int, key: IdempotencyKey | None) -> Created | None:
    """What an earlier request with this key has made. IdempotencyKeyReused; storage.errors.NotFound, also
    when that was deleted since.
    """
    if key is None:
        return None

    async def body(tx: Transaction) -> Created | None:
        await sites.get(tx, site_id)
        id = await find_result(tx, site_id, key)
        return None if id is None else Created(await _look(context, tx, site_id, id), replayed=True)

    return await context.database.read(body)


async def get_automation(context: Context, site_id: int, id: int) -> AutomationWithSteps:
    async def body(tx: Transaction) -> AutomationWithSteps:
        await sites.get(tx, site_id)
        return await _look(context, tx, site_id, id)

    return await context.database.read(body)


async def page_of_automations(
    context: Context, site_id: int, before_id: int | None, limit: int
) -> Sequence[Automation]:
    """Newest first."""

    async def body(tx: Transaction) -> Sequence[Automation]:
        await sites.get(tx, site_id)
        return await automations.page(tx, site_id, before_id, limit)

    return await context.database.read(body)


async def change_automation(
    context: Context, actor: str, site_id: int, id: int, change: Callable[[Automation], AutomationDraft]
) -> AutomationWithSteps:
    """Give it what `change` makes of it. Visitors keep the number of their step, and when it is due.

    A step that stays what it was, in its place, keeps its message; another gets a new one. Whoever waits for
    a step that is no more leaves when it would have been due. Errors as `create_automation`.
    """
    target = encode_id(Kind.AUTOMATION, id)
    for _ in range(_TRIES):
        before = (await get_automation(context, site_id, id)).automation
        old = read_definition(before)
        draft = change(before)
        _check(draft)
        kept = Made(old.steps)
        if draft.steps is not None:
            known = await context.database.read(
                lambda tx, old=old: messages.by_ids(tx, [step.message for step in old.steps])  # type: ignore[misc]
            )
            stored = [known[step.message] for step in old.steps]
            ready = await _ready(context, site_id, draft.steps)
            kept = await make_steps(context, site_id, id, ready, context.clock.now(), stored)
        definition = _definition(draft, kept)
        after = replace(before, name=draft.name, state=draft.state, definition=write_definition(definition))
        note = audit.entry(
            context, actor, "automation.changed", target, site_id, {"fields": _changed(before, after)}
        )

        async def body(
            tx: Transaction,
            after: Automation = after,
            old: Definition = old,
            made: Made = kept,
            note: stored_audit.AuditEntry = note,
        ) -> AutomationWithSteps | None:
            await locks.hold(tx, id)  # the walker takes its turn with us
            await sites.get(tx, site_id)
            if not await automations.update(tx, after, note.at):
                return None
            for message in made.fresh:
                await messages.add(tx, message)
            ids = [step.message for step in made.steps]
            gone = [step.message for step in old.steps if step.message not in ids]
            await steps.close(tx, site_id, gone, REPLACED, note.at)
            if after.state is AutomationState.PAUSED:
                await steps.pause_all(tx, id, AUTOMATION_PAUSED)
            else:
                await steps.resume_all(tx, id, AUTOMATION_PAUSED, note.at)
            await stored_audit.add(tx, note)
            return await _look(context, tx, site_id, id)

        changed = await context.database.write(body)
        if changed is not None:
            return changed
    raise Conflict("The automation is being changed by others at the same time.")


async def delete_automation(context: Context, actor: str, site_id: int, id: int) -> None:
    """Nobody gets another step. What is on its way goes on, unless it is paused; its messages stay."""
    note = audit.entry(context, actor, "automation.deleted", encode_id(Kind.AUTOMATION, id), site_id)

    async def body(tx: Transaction) -> None:
        await locks.hold(tx, id)
        await sites.get(tx, site_id)
        automation = await automations.get(tx, site_id, id)
        await automations.update(tx, replace(automation, state=AutomationState.DELETED), note.at)
        await steps.close_all(tx, id, DELETED, note.at)
        await stored_audit.add(tx, note)

    await context.database.write(body)


async def _look(context: Context, tx: Transaction, site_id: int, id: int) -> AutomationWithSteps:
    automation = await automations.get(tx, site_id, id)
    definition = read_definition(automation)
    ids = [step.message for step in definition.steps]
    known, totals = await messages.by_ids(tx, ids), await steps.totals(tx, site_id, ids)
    found = [known[id] for id in ids]
    return AutomationWithSteps(
        automation,
        definition,
        await with_progress(tx, site_id, found, context.clock.now()),
        [totals[id] for id in ids],
        await automations.waiting(tx, id, MOST_COUNTED),
    )


async def _ready(context: Context, site_id: int, drafts: Sequence[StepDraft]) -> Sequence[StepDraft]:
    """With what the site has set for all messages. InvalidRequest: there is no such category."""
    wanted = {f"steps[{place}].category": each.draft.rules.category for place, each in enumerate(drafts)}
    named = {path: name for path, name in wanted.items() if name is not None}
    if named:

        async def body(tx: Transaction) -> list[FieldError]:
            found = [await unknown_categories(tx, site_id, [name], path) for path, name in named.items()]
            return [error for errors in found for error in errors]

        errors = await context.database.read(body)
        if errors:
            raise InvalidRequest("The automation cannot run like this.", errors)
    return [replace(each, draft=await with_utm(context, site_id, each.draft)) for each in drafts]


def _check(draft: AutomationDraft) -> None:
    """InvalidRequest: the trigger does not say which event it is, or one that it is not."""
    trigger = draft.trigger
    if (trigger.on == "event") != (trigger.event is not None):
        needs = "needs the name of one" if trigger.event is None else "has none"
        raise InvalidRequest(errors=[FieldError("trigger.event", f"The trigger {trigger.on!r} {needs}.")])


def _definition(draft: AutomationDraft, made: Made) -> Definition:
    cancel_on = tuple(dict.fromkeys(draft.cancel_on))
    return Definition(trigger=draft.trigger, cancel_on=cancel_on, once=draft.once, steps=made.steps)


def _changed(before: Automation, after: Automation) -> list[str]:
    return [name for name in ("name", "state", "definition") if getattr(before, name) != getattr(after, name)]
