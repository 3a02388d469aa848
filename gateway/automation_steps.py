"""The steps of an automation: each is a message of its own, of which nobody is in the audience at first."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.audience import AudienceSpec, write_audience
from gateway.campaigns.automations import Step
from gateway.campaigns.rules import Rules
from gateway.content_limits import count_shown
from gateway.context import Context
from gateway.errors import FieldError, InvalidRequest, PayloadTooLarge
from gateway.message_draft import Draft, make_message
from storage.messages import Message, MessageKind, MessageState, Priority

# What is about each visitor by themselves. The others are about a time, or about an audience as a whole.
ALLOWED_RULES = frozenset({"template", "dry_run", "quiet_hours", "best_hour", "variants", "category"})

MOST_SHOWN = 400  # notifications of all steps, in all their languages and variants

NOBODY_YET = AudienceSpec(automation=0)

_NOT_OF_STEPS = "A step of an automation cannot have this: each visitor gets it at a time of their own."
_NO_RULES = Rules()


@dataclass(frozen=True, slots=True)
class StepDraft:
    """`after`: seconds after the visitor came in, or the step before was due to be sent to them."""

    after: int
    draft: Draft


@dataclass(frozen=True, slots=True)
class Made:
    """The steps, and those of their messages that are to be stored."""

    steps: tuple[Step, ...]
    fresh: Sequence[Message] = ()


async def make_steps(
    context: Context,
    site_id: int,
    automation_id: int,
    drafts: Sequence[StepDraft],
    now: int,
    stored: Sequence[Message] = (),
) -> Made:
    """One that says what the `stored` one in its place says keeps that. InvalidRequest, PayloadTooLarge."""
    steps, fresh, errors = [], [], []
    shown = sum(count_shown(each.draft.content, each.draft.rules.variants) for each in drafts)
    if shown > MOST_SHOWN:
        sentence = f"Their languages and variants are {shown} notifications, and {MOST_SHOWN} is the most."
        raise InvalidRequest("The automation cannot run like this.", [FieldError("steps", sentence)])
    for place, each in enumerate(drafts):
        await asyncio.sleep(0)  # each may take as long as a message: others are served meanwhile
        try:
            message = _message(context, site_id, automation_id, each.draft, now)
        except InvalidRequest as exc:
            errors += [FieldError(f"steps[{place}].{error.path}", error.message) for error in exc.errors]
            continue
        except PayloadTooLarge as exc:
            raise PayloadTooLarge(exc.bytes_over, f"steps[{place}]: {exc.sentence}") from exc
        before = stored[place] if place < len(stored) else None
        if before is not None and _says(before) == _says(message):
            message = before
        else:
            fresh.append(message)
        steps.append(Step(each.after, message.id))
    if errors:
        raise InvalidRequest("The automation cannot run like this.", errors)
    return Made(tuple(steps), fresh)


def _message(context: Context, site_id: int, automation_id: int, draft: Draft, now: int) -> Message:
    errors = _check(draft)
    if errors:
        raise InvalidRequest(errors=errors)
    message = make_message(
        replace(
            draft,
            audience=AudienceSpec(automation=automation_id),
            priority=draft.priority or Priority.BULK,
        ),
        id=context.ids.next(),
        site_id=site_id,
        created_at=now,
        now=now,
        public_url=context.settings.public_url,
    )
    return replace(
        message,
        kind=MessageKind.STEP,
        parent_id=automation_id,
        state=MessageState.OPEN,
        started_at=now,
        frozen_at=now,
        audience=0,
        unknown=0,
    )


def for_round(message: Message, number: int, *, id: int, now: int) -> Message:
    """What a step's own message says, for those who have been in its automation `number` times before."""
    assert message.parent_id is not None, "a step has an automation"
    audience = AudienceSpec(automation=message.parent_id, round=number)
    return replace(
        message,
        id=id,
        audience_spec=write_audience(audience),
        state=MessageState.OPEN,
        state_reason=None,
        send_at=now,
        created_at=now,
        started_at=now,
        frozen_at=now,
        audience=0,
        turn=0,
        next_at=0,
    )


def _check(draft: Draft) -> list[FieldError]:
    given = [name for name in ("send_at", "expires_at") if getattr(draft, name) is not None]
    given += [] if draft.content.valid_until is None else ["valid_until"]
    given += ["draft"] if draft.is_draft else []
    given += [
        name
        for name in Rules.__struct_fields__
        if name not in ALLOWED_RULES and getattr(draft.rules, name) != getattr(_NO_RULES, name)
    ]
    if draft.rules.variants is not None and draft.rules.variants.winner is not None:
        given.append("variants.winner")
    return [FieldError(name, _NOT_OF_STEPS) for name in given]


def _says(message: Message) -> tuple[object, ...]:
    return (message.content, message.rules, message.priority, message.ttl, message.rate)
