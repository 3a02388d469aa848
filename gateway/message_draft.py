"""What an admin asks for, checked as a whole: what single fields' types cannot say."""

from dataclasses import dataclass
from functools import cache

from msgspec import UNSET, structs

from gateway.audience import AudienceSpec, write_audience
from gateway.campaigns.best_hour import check_best_hour
from gateway.campaigns.liquid import ParseText, parse_text
from gateway.campaigns.local_time import check_local_time, first_moment
from gateway.campaigns.recurrence import check_misfire, check_recurrence, next_time, shortest_gap
from gateway.campaigns.rules import Rules, write_rules
from gateway.campaigns.stages import check_stages
from gateway.campaigns.validity import check_valid_until, last_moment
from gateway.campaigns.withdrawal import check_withdrawable
from gateway.content import Content, Options, write_content
from gateway.content_checks import check_content, check_payloads, check_withdrawing
from gateway.errors import FieldError, InvalidRequest
from gateway.nesting import check_nesting
from gateway.webpush import InvalidTopic, parse_topic
from storage.batches import BULK, TRANSACTIONAL
from storage.messages import Message, MessageKind, MessageState, Priority

MOST_BROWSERS = 5  # of a visitor who is named: more than anybody is likely to have
MOST_TRANSACTIONAL = 1_000  # named recipients up to which a message goes before the bulk


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """`send_at` None: now. `priority` None: by the number of recipients. `is_draft`: nothing starts it."""

    content: Content
    audience: AudienceSpec
    priority: Priority | None
    send_at: int | None
    expires_at: int | None
    rate: int | None
    rules: Rules
    is_draft: bool = False


def make_message(
    draft: Draft, *, id: int, site_id: int, created_at: int, now: int, public_url: str
) -> Message:
    """The message that the draft asks for. InvalidRequest with all that is wrong; PayloadTooLarge."""
    expires_at = last_moment(draft.expires_at, draft.content.valid_until)
    parse: ParseText = cache(parse_text)  # languages and variants share most of their texts
    errors = _check(draft, expires_at, now, parse)
    if not errors:
        send_at = _starts_at(draft, now)
        errors += check_valid_until(draft.content.valid_until, send_at, now, recurs=False)
        errors += check_misfire(draft.rules.misfire, send_at, now)
        errors += check_stages(
            draft.rules,
            max(send_at, now),
            expires_at,
            most=_most_recipients(draft.audience),
            every=_every(draft.rules, now),
        )
    if errors:
        raise InvalidRequest("The message cannot be sent like this.", errors)
    priority = draft.priority or default_priority(draft.audience)
    check_payloads(
        id, draft.content, draft.rules.variants, public_url, priority, draft.audience.data_of, parse
    )
    if draft.rules.withdrawable:
        check_withdrawing(id, draft.content, public_url, priority)
    return Message(
        id=id,
        site_id=site_id,
        kind=MessageKind.ONCE if draft.rules.recurrence is None else MessageKind.SERIES,
        state=MessageState.DRAFT if draft.is_draft else MessageState.SCHEDULED,
        priority=priority,
        lane=TRANSACTIONAL if priority is Priority.TRANSACTIONAL else BULK,
        content=write_content(_with_end(draft)),
        audience_spec=write_audience(draft.audience),
        ttl=draft.content.options.ttl,
        rate=draft.rate,
        send_at=send_at,
        expires_at=expires_at,
        created_at=created_at,
        rules=write_rules(draft.rules),
    )


def _check(draft: Draft, expires_at: int | None, now: int, parse: ParseText) -> list[FieldError]:
    """What is wrong whenever it starts; that moment can be found out when nothing of this is."""
    send_at = now if draft.send_at is None else draft.send_at
    return [
        *check_content(draft.content, draft.rules.variants, parse),
        *_check_recipients(draft.audience),
        *_check_uploaded(draft),
        *check_options(draft.content.options),
        *check_withdrawable(draft.content, draft.rules),
        *_check_times(send_at, draft.expires_at, now),
        *check_local_time(
            draft.rules.local_time,
            draft.send_at,
            draft.expires_at,
            now,
            misfires=draft.rules.misfire is not None,
        ),
        *check_best_hour(
            draft.rules.best_hour,
            max(send_at, now),
            expires_at,
            local_time=draft.rules.local_time is not None,
            holds_the_rest=draft.rules.holds_the_rest,
        ),
        *check_recurrence(
            draft.rules.recurrence,
            now,
            send_at=draft.send_at,
            expires_at=draft.expires_at,
            local_time=draft.rules.local_time is not None,
        ),
        *check_valid_until(
            draft.content.valid_until, draft.send_at, now, recurs=draft.rules.recurrence is not None
        ),
    ]


def _starts_at(draft: Draft, now: int) -> int:
    if draft.rules.local_time is not None:
        return first_moment(draft.rules.local_time)
    if draft.rules.recurrence is not None:
        following = next_time(draft.rules.recurrence, now)
        assert following is not None, "was checked"
        return following
    return now if draft.send_at is None else draft.send_at


def _with_end(draft: Draft) -> Content:
    """Its content, with the `expires_at` that was asked for where `valid_until` may hide it."""
    expires_at = None if draft.content.valid_until is None else draft.expires_at
    return structs.replace(draft.content, expires_at=expires_at)


def _every(rules: Rules, now: int) -> int | None:
    if rules.recurrence is None or not rules.holds_the_rest:
        return None
    return shortest_gap(rules.recurrence, now)


def _most_recipients(audience: AudienceSpec) -> int | None:
    """None: nobody knows."""
    if audience.subscriptions is not UNSET:
        return len(audience.subscriptions)
    names = audience.named_external_ids
    count = audience.names if names is None else len(names)
    return count * MOST_BROWSERS if count else None


def default_priority(audience: AudienceSpec) -> Priority:
    """Transactional for up to 1000 recipients that are named one by one."""
    named = audience.named_external_ids
    if named is None and audience.subscriptions is not UNSET:
        size = len(audience.subscriptions)
    else:
        size = MOST_TRANSACTIONAL + 1 if named is None else len(named)
    return Priority.TRANSACTIONAL if size <= MOST_TRANSACTIONAL else Priority.BULK


def _check_recipients(audience: AudienceSpec) -> list[FieldError]:
    recipients = () if audience.recipients is UNSET else audience.recipients
    checks = (
        check_nesting(each.data, f"audience.recipients[{index}].data")
        for index, each in enumerate(recipients)
    )
    return next((errors for errors in checks if errors), [])  # one says enough: there may be thousands


def _check_uploaded(draft: Draft) -> list[FieldError]:
    if draft.is_draft or draft.audience.uploaded is UNSET or draft.audience.names:
        return []
    sentence = 'Nobody was uploaded: make a draft, PUT its recipients, then change it to "draft": false.'
    return [FieldError("audience.uploaded", sentence)]


def check_options(options: Options) -> list[FieldError]:
    """What types cannot say."""
    if options.topic is None:
        return []
    try:
        parse_topic(options.topic)
    except InvalidTopic as exc:
        return [FieldError("options.topic", f"{exc}.")]
    return []


def _check_times(send_at: int, expires_at: int | None, now: int) -> list[FieldError]:
    if expires_at is None:
        return []
    if expires_at <= now:
        return [FieldError("expires_at", "This is in the past: nobody would get the message.")]
    if expires_at <= send_at:
        return [FieldError("expires_at", "This is not after send_at: nobody would get the message.")]
    return []
