"""From a stored message to what an answer shows of it."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import UNSET

from gateway.api.admin.audiences import from_spec
from gateway.api.admin.message_types import Message, Progress, Results, VariantResults
from gateway.api.moments import to_moment, to_optional_moment
from gateway.audience import read_audience
from gateway.campaigns.counts import Counts
from gateway.campaigns.recurrence import Recurrence, next_times
from gateway.campaigns.rules import Rules, read_rules
from gateway.campaigns.statistics import wilson
from gateway.campaigns.variants import click_rate, clicks_of
from gateway.content import read_content
from gateway.messages import MessageWithProgress
from storage import messages
from storage.ids import Kind, encode_id
from storage.messages import ENDED, MessageKind, MessageState
from storage.steps import Totals
from storage.throttles import FOR_GOOD

_SHOWN_OCCURRENCES = 3


def show_message(found: MessageWithProgress, now: int, *, with_audience: bool = True) -> Message:
    message = found.message
    waiting = found.waiting
    content, rules = read_content(message), read_rules(message)
    return Message(
        id=encode_id(Kind.MESSAGE, message.id),
        replay_of=_parent(message, MessageKind.ONCE),
        automation=_parent(message, MessageKind.STEP, Kind.AUTOMATION),
        test_of=_parent(message, MessageKind.TEST),
        withdrawal_of=_parent(message, MessageKind.WITHDRAWAL),
        withdrawal=_optional_id(found.parts.withdrawal_id),
        series=_parent(message, MessageKind.OCCURRENCE),
        next_occurrences=_next_occurrences(message, rules.recurrence, now),
        state=message.state,
        state_reason=message.state_reason if waiting is None else waiting.reason,
        waiting_until=to_optional_moment(
            message.waiting_until if waiting is None or waiting.until == FOR_GOOD else waiting.until
        ),
        priority=message.priority,
        notification=content.notification,
        translations=dict(content.translations),
        fallback=content.fallback,
        utm=content.utm,
        options=content.options,
        send_at=to_moment(message.send_at),
        expires_at=to_optional_moment(message.expires_at),
        valid_until=to_optional_moment(content.valid_until),
        rate=message.rate,
        created_at=to_moment(message.created_at),
        started_at=to_optional_moment(message.started_at),
        ended_at=to_optional_moment(message.ended_at),
        unknown=message.unknown,
        progress=_progress(found, now),
        results=_results(found, rules),
        audience=from_spec(read_audience(message.audience_spec), message.resolved)
        if with_audience
        else UNSET,
        **{name: getattr(rules, name) for name in Rules.__struct_fields__},
    )


def show_totals(own: MessageWithProgress, totals: Totals, now: int) -> tuple[Progress, Results]:
    """Of a step of an automation, whose `own` message is one of those counted."""
    summed = MessageWithProgress(own.message, totals.progress, totals.results)
    return _progress(summed, now), _results(summed, Rules())


def _parent(message: messages.Message, kind: MessageKind, parent: Kind = Kind.MESSAGE) -> str | None:
    """What a parent is to a message depends on the kind."""
    if message.parent_id is None or message.kind is not kind:
        return None
    return encode_id(parent, message.parent_id)


def _optional_id(id: int | None) -> str | None:
    return None if id is None else encode_id(Kind.MESSAGE, id)


def _next_occurrences(
    message: messages.Message, rule: Recurrence | None, now: int
) -> Sequence[datetime] | None:
    if rule is None:
        return None
    if message.state in ENDED:
        return ()
    return [to_moment(at) for at in next_times(rule, now, _SHOWN_OCCURRENCES)]


def _progress(found: MessageWithProgress, now: int) -> Progress:
    counted, message = found.progress, found.message
    if counted is None:
        return Progress()
    waiting = counted.retrying + counted.remaining
    rate = _average(message, counted.done, now) if found.recent_rate is None else round(found.recent_rate, 3)
    moves = message.state is MessageState.SENDING and found.waiting is None
    return Progress(
        audience=counted.audience,
        accepted=counted.accepted,
        gone=counted.gone,
        failed=counted.failed,
        expired=counted.expired,
        skipped=counted.skipped,
        retrying=counted.retrying,
        remaining=counted.remaining,
        failures=counted.failures,
        skips=counted.skips,
        rate=rate,
        eta_seconds=math.ceil(waiting / rate) if moves and rate else None,
    )


def _average(message: messages.Message, done: int, now: int) -> float | None:
    """Outcomes a second, on average since the start. Not where recipients come one by one."""
    if message.started_at is None or not done or message.kind is MessageKind.STEP:
        return None
    milliseconds = max(1, (message.ended_at or now) - message.started_at)
    return round(done * 1_000 / milliseconds, 3)


def _results(found: MessageWithProgress, rules: Rules) -> Results:
    results = found.results
    accepted = 0 if found.progress is None else found.progress.accepted
    return Results(
        displayed=results.displayed,
        clicked=results.clicked,
        closed=results.closed,
        display_rate=round(results.displayed / accepted, 4) if accepted else None,
        click_rate=round(results.clicked / accepted, 4) if accepted else None,
        **_parts(found, rules),
    )


def _parts(found: MessageWithProgress, rules: Rules) -> dict[str, Any]:
    """What else there is of a message with variants or a first part."""
    parts: dict[str, Any] = {}
    if rules.variants is not None:
        options = rules.variants.options
        counted = found.parts.variants
        parts["variants"] = [
            _variant(option.name, counted.get(index, {})) for index, option in enumerate(options)
        ]
        if rules.variants.winner is not None:
            winner = found.message.winner
            parts["winner"] = None if winner is None else options[winner].name
    if rules.holds_the_rest:
        parts["decision"] = None if found.parts.stages is None else found.parts.stages.decision
    return parts


def _variant(name: str, kinds: Mapping[str, int]) -> VariantResults:
    counts = Counts.of(kinds)
    interval = wilson(*clicks_of(counts))
    return VariantResults(
        name=name,
        accepted=kinds.get("accepted", 0),
        displayed=counts.displayed,
        clicked=counts.clicked,
        click_rate=None if interval is None else round(click_rate(counts), 4),
        low=None if interval is None else round(interval.low, 4),
        high=None if interval is None else round(interval.high, 4),
    )
