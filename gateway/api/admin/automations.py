"""`/v1/sites/{site}/automations`: messages that visitors get some time after something happened."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from gateway import audit, automations, idempotency
from gateway.api.admin.audiences import Audience
from gateway.api.admin.message_types import Message, NewMessage, Progress, Results, read_draft
from gateway.api.admin.message_views import show_message, show_totals
from gateway.api.admin.template_use import fill_in
from gateway.api.browser import BROWSERS
from gateway.api.moments import Moment, to_moment
from gateway.api.paging import Page, PageQuery, page_of, read_cursor
from gateway.api.route import KILOBYTE, Call, Reply, route
from gateway.api.texts import Name
from gateway.automation_steps import NOBODY_YET, StepDraft
from gateway.automations import AutomationDraft, AutomationWithSteps, Created
from gateway.campaigns.automations import LONGEST, MOST_STEPS, read_definition
from gateway.campaigns.automations import Trigger as StoredTrigger
from gateway.errors import Conflict, FieldError, IdempotencyKeyReused, InvalidRequest, PayloadTooLarge
from gateway.site_events import EventName
from storage import automations as stored
from storage.automations import AutomationState
from storage.ids import Kind, encode_id
from storage.tokens import Scope

_PATH = "/v1/sites/{site}/automations"
_BODY_LIMIT = 256 * KILOBYTE


class Trigger(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    on: Annotated[
        Literal["subscribe", "event"], Meta(description="A visitor subscribes, or comes back; or an event.")
    ]
    event: Annotated[EventName | UnsetType, Meta(description="The event's name.")] = UNSET


Nobody = Annotated[Audience | UnsetType, Meta(description="Not to be given: visitors come by themselves.")]


class Step(NewMessage, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message, but for whom and when."""

    after: Annotated[
        int, Meta(ge=0, le=LONGEST, description="Seconds after the trigger, or after the step before.")
    ]
    audience: Nobody = UNSET  # type: ignore[assignment]


Steps = Annotated[list[Step], Meta(min_length=1, max_length=MOST_STEPS)]
CancelOn = Annotated[
    list[EventName],
    Meta(
        max_length=20,
        description="Who has one of these gets no further step; with the trigger's own it begins anew.",
    ),
]
Once = Annotated[
    bool,
    Meta(description="A visitor comes in once in their life, also if they left before anything was sent."),
]
Running = Literal["active", "paused"]


class NewAutomation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Name
    trigger: Trigger
    cancel_on: CancelOn = []
    once_per_visitor: Once = False
    state: Running = "active"
    steps: Steps


class AutomationChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is not given stays; what is given replaces the whole field."""

    name: Name | UnsetType = UNSET
    trigger: Trigger | UnsetType = UNSET
    cancel_on: CancelOn | UnsetType = UNSET
    once_per_visitor: Once | UnsetType = UNSET
    state: Running | UnsetType = UNSET
    steps: Steps | UnsetType = UNSET


class ShownStep(Struct, frozen=True):
    after: int
    message: Annotated[Message, Meta(description="That of those who are in it for the first time.")]
    rounds: Annotated[
        int, Meta(description="How many messages it has: one more for those who come in again, and so on.")
    ]
    progress: Annotated[Progress, Meta(description="Over all of them.")]
    results: Annotated[Results, Meta(description="Over all of them, not by variant.")]


class Automation(Struct, frozen=True, kw_only=True):
    id: str
    name: str
    trigger: Trigger
    cancel_on: Sequence[str]
    once_per_visitor: bool
    state: Running
    created_at: Moment
    changed_at: Moment
    steps: Annotated[Sequence[ShownStep] | UnsetType, Meta(description="Not in lists.")] = UNSET
    waiting: Annotated[
        int | UnsetType, Meta(description="Visitors who wait for a step, counted to 100000. Not in lists.")
    ] = UNSET


@route(
    "POST",
    _PATH,
    "Create an automation",
    scope=Scope.SEND,
    status=201,
    errors=(Conflict, PayloadTooLarge, IdempotencyKeyReused),
    body_limit=_BODY_LIMIT,
    request_headers=(idempotency.HEADER,),
)
async def create_automation(call: Call[NewAutomation, None]) -> Reply[Automation]:
    """Visitors who are there already do not come in. Takes effect everywhere within five seconds.

    With an `Idempotency-Key` the same request within 24 hours makes one automation, however often it comes.
    """
    new, actor = call.body, audit.actor(call.token)
    request = b"automation\n%b" % call.raw_body  # a message of the same bytes is another request
    key = idempotency.parse_key(call.request.headers.get(idempotency.HEADER), request)
    replayed = await automations.find_created(call.context, call.site_id, key)
    if replayed is not None:  # templates may have changed since the first time
        return _created(call, replayed)
    draft = AutomationDraft(
        name=new.name,
        state=AutomationState(new.state),
        trigger=_trigger(new.trigger),
        cancel_on=tuple(new.cancel_on),
        once=new.once_per_visitor,
        steps=[await _draft(call, place, step) for place, step in enumerate(new.steps)],
    )
    created = await automations.create_automation(call.context, actor, call.site_id, draft, key)
    call.request.app[BROWSERS].automations.forget(call.site_id)
    return _created(call, created)


@route("GET", _PATH, "List automations", scope=Scope.READ)
async def list_automations(call: Call[None, PageQuery]) -> Page[Automation]:
    """Newest first, without their steps."""
    limit, before_id = call.query.limit, read_cursor(call.query.cursor)
    found = await automations.page_of_automations(call.context, call.site_id, before_id, limit + 1)
    return page_of([_outline(each) for each in found], [each.id for each in found], limit)


@route("GET", f"{_PATH}/{{automation}}", "Show an automation and its steps", scope=Scope.READ)
async def get_automation(call: Call[None, None]) -> Automation:
    id = call.id_of(Kind.AUTOMATION)
    return _show(call, await automations.get_automation(call.context, call.site_id, id))


@route(
    "PATCH",
    f"{_PATH}/{{automation}}",
    "Change, pause or resume an automation",
    scope=Scope.SEND,
    errors=(Conflict, PayloadTooLarge),
    body_limit=_BODY_LIMIT,
)
async def change_automation(call: Call[AutomationChange, None]) -> Automation:
    """While it is paused nobody comes in and nobody is sent anything; who is in it waits.

    Visitors keep the number of their step when `steps` are replaced. A step that says what it said keeps its
    message.
    """
    change = call.body
    steps = None
    if change.steps is not UNSET:
        steps = [await _draft(call, place, step) for place, step in enumerate(change.steps)]

    def merge(before: stored.Automation) -> AutomationDraft:
        old = read_definition(before)
        return AutomationDraft(
            name=before.name if change.name is UNSET else change.name,
            state=before.state if change.state is UNSET else AutomationState(change.state),
            trigger=old.trigger if change.trigger is UNSET else _trigger(change.trigger),
            cancel_on=old.cancel_on if change.cancel_on is UNSET else tuple(change.cancel_on),
            once=old.once if change.once_per_visitor is UNSET else change.once_per_visitor,
            steps=steps,
        )

    actor, id = audit.actor(call.token), call.id_of(Kind.AUTOMATION)
    changed = await automations.change_automation(call.context, actor, call.site_id, id, merge)
    call.request.app[BROWSERS].automations.forget(call.site_id)
    return _show(call, changed)


@route("DELETE", f"{_PATH}/{{automation}}", "Delete an automation", scope=Scope.SEND)
async def delete_automation(call: Call[None, None]) -> None:
    """Nobody gets another step. The messages of its steps stay, with their results."""
    actor, id = audit.actor(call.token), call.id_of(Kind.AUTOMATION)
    await automations.delete_automation(call.context, actor, call.site_id, id)
    call.request.app[BROWSERS].automations.forget(call.site_id)


async def _draft(call: Call[Any, None], place: int, step: Step) -> StepDraft:
    """InvalidRequest with the step's place in its paths."""
    try:
        if step.audience is not UNSET:
            raise InvalidRequest(errors=[FieldError("audience", "Visitors come into a step by themselves.")])
        filled = await fill_in(call.context, call.site_id, step)
        return StepDraft(step.after, read_draft(filled, NOBODY_YET))
    except InvalidRequest as exc:
        errors = [FieldError(f"steps[{place}].{each.path}", each.message) for each in exc.errors]
        raise InvalidRequest(exc.sentence, errors) from exc


def _trigger(trigger: Trigger) -> StoredTrigger:
    return StoredTrigger(trigger.on, None if trigger.event is UNSET else trigger.event)


def _outline(automation: stored.Automation) -> Automation:
    definition = read_definition(automation)
    event = definition.trigger.event
    return Automation(
        id=encode_id(Kind.AUTOMATION, automation.id),
        name=automation.name,
        trigger=Trigger(definition.trigger.on, UNSET if event is None else event),
        cancel_on=definition.cancel_on,
        once_per_visitor=definition.once,
        state="paused" if automation.state is AutomationState.PAUSED else "active",
        created_at=to_moment(automation.created_at),
        changed_at=to_moment(automation.changed_at),
    )


def _created(call: Call[Any, None], created: Created) -> Reply[Automation]:
    headers = {idempotency.REPLAYED: "true"} if created.replayed else {}
    return Reply(_show(call, created.found), headers=headers)


def _show(call: Call[Any, None], found: AutomationWithSteps) -> Automation:
    now = call.context.clock.now()
    steps = [
        ShownStep(step.after, show_message(message, now), totals.rounds, *show_totals(message, totals, now))
        for step, message, totals in zip(found.definition.steps, found.messages, found.totals, strict=True)
    ]
    return replace(_outline(found.automation), steps=steps, waiting=found.waiting)


ROUTES = (create_automation, list_automations, get_automation, change_automation, delete_automation)
