"""Tests of a message: the same content to a few named subscriptions, whatever its rules and audience are.

Each is a message of kind `test` with progress and results of its own, so that the message's own are not
touched. It is transactional: neither quiet hours nor caps hold it up.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from msgspec import json

from gateway import audit
from gateway.audience import AudienceSpec, Recipient, read_audience, uploaded_list
from gateway.campaigns.rules import Rules, read_rules
from gateway.campaigns.variants import settle
from gateway.content import Content, read_content
from gateway.context import Context
from gateway.errors import FieldError, InvalidRequest, WrongState
from gateway.idempotency import IdempotencyKey, remember
from gateway.message_draft import Draft, make_message
from gateway.messages import Created, MessageWithProgress, find_created, get_message
from storage import audit as stored_audit
from storage import messages, recipients, sites, subscriptions
from storage.database import Row, Transaction
from storage.errors import Conflict as AlreadyStored
from storage.ids import Kind, encode_id
from storage.messages import Message, MessageKind, Priority
from storage.subscriptions import SubscriptionState

MOST = 20  # subscriptions of a test

_UNTESTED = frozenset({MessageKind.TEST, MessageKind.WITHDRAWAL})


async def send_test(
    context: Context,
    actor: str,
    site_id: int,
    message_id: int,
    subscription_ids: Sequence[int],
    key: IdempotencyKey | None = None,
) -> tuple[Created, Sequence[Message]]:
    """Send it to these, now: one test for each of its variants. The first test, and all of them.

    InvalidRequest names the subscriptions that cannot be sent to; PayloadTooLarge; WrongState: it is a test
    itself; IdempotencyKeyReused; storage.errors.NotFound.
    """
    created = await find_created(context, site_id, key)
    if created is None:
        tested = (await get_message(context, site_id, message_id)).message
        if tested.kind in _UNTESTED:
            raise WrongState(f"A message of kind {tested.kind} cannot be tested.")
        people = await _people(context, site_id, subscription_ids)
        made = await _tests(context, tested, await _audience(context, tested, people))
        if await _store(context, actor, made, len(people), key):
            return Created(MessageWithProgress(made[0]), replayed=False), made
        created = await find_created(context, site_id, key)
        assert created is not None, "the key was there a moment ago"
    first = created.found.message
    return created, await context.database.read(lambda tx: messages.tests_with(tx, first))


async def _people(context: Context, site_id: int, ids: Sequence[int]) -> Sequence[Row]:
    """MemberRows in the order of `ids`."""
    found = await context.database.read(lambda tx: subscriptions.members(tx, site_id, ids))
    active = {row[0]: row for row in found if row[1] == SubscriptionState.ACTIVE}
    errors = [
        FieldError(
            "subscriptions", f"The site has no active subscription {encode_id(Kind.SUBSCRIPTION, id)}."
        )
        for id in ids
        if id not in active
    ]
    if errors:
        raise InvalidRequest("The test cannot be sent to all of these.", errors)
    return [active[id] for id in ids]


async def _audience(context: Context, tested: Message, people: Sequence[Row]) -> AudienceSpec:
    """These people, each with the data that the message has for them; none for whom it has none."""
    ids, names = tuple(row[0] for row in people), sorted({row[8] for row in people if row[8] is not None})
    data_of = await find_data(context, tested, names)
    if data_of is None:
        return AudienceSpec(subscriptions=ids)
    return AudienceSpec(
        subscriptions=ids, recipients=tuple(Recipient(name, data_of.get(name, {})) for name in names)
    )


async def find_data(
    context: Context, message: Message, names: Sequence[str]
) -> Mapping[str, dict[str, Any]] | None:
    """What its audience tells those of `names` that it names; None for one that tells nobody anything."""
    audience, list_id = read_audience(message.audience_spec), uploaded_list(message.audience_spec)
    if list_id is not None:
        found = await context.database.read(lambda tx: recipients.data(tx, message.site_id, list_id, names))
        return {name: json.decode(data) for name, data in found.items()}
    return None if audience.named_external_ids is None else audience.data_of


async def _tests(context: Context, tested: Message, audience: AudienceSpec) -> list[Message]:
    now, rules = context.clock.now(), read_rules(tested)
    made = []
    for content in _contents(read_content(tested), rules):
        await asyncio.sleep(0)  # each may take as long as a message: others are served meanwhile
        draft = Draft(
            content=content,
            audience=audience,
            priority=Priority.TRANSACTIONAL,
            send_at=None,
            expires_at=None,
            rate=None,
            rules=Rules(template=rules.template, withdrawable=rules.withdrawable),
        )
        test = make_message(
            draft,
            id=context.ids.next(),
            site_id=tested.site_id,
            created_at=now,
            now=now,
            public_url=context.settings.public_url,
        )
        made.append(replace(test, kind=MessageKind.TEST, parent_id=tested.id))
    return made


def _contents(content: Content, rules: Rules) -> Sequence[Content]:
    """What each variant shows, in every language; the one content when there are no variants."""
    if rules.variants is None:
        return [content]
    return [settle(content, rules.variants, index) for index in range(len(rules.variants.options))]


async def _store(
    context: Context, actor: str, made: Sequence[Message], people: int, key: IdempotencyKey | None
) -> bool:
    """False when the same request has stored its tests at this moment."""
    first = made[0]
    assert first.parent_id is not None
    detail = {"tests": [encode_id(Kind.MESSAGE, each.id) for each in made], "subscriptions": people}
    target = encode_id(Kind.MESSAGE, first.parent_id)
    note = audit.entry(context, actor, "message.tested", target, first.site_id, detail)

    async def body(tx: Transaction) -> None:
        await sites.get(tx, first.site_id)
        for test in made:
            await messages.add(tx, test)
        if key is not None:
            await remember(tx, first.site_id, key, first.id, note.at)
        await stored_audit.add(tx, note)

    try:
        await context.database.write(body)
    except AlreadyStored:
        if key is None:
            raise
        return False
    return True
