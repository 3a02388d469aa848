"""A message once more, as a draft: to be changed and sent another time."""

from dataclasses import replace

from msgspec import structs

from gateway.audience import AudienceSpec, read_audience, uploaded_list
from gateway.campaigns.rules import Rules, read_rules
from gateway.content import read_content
from gateway.context import Context
from gateway.errors import InvalidRequest, WrongState
from gateway.idempotency import IdempotencyKey
from gateway.message_draft import Draft, make_message
from gateway.messages import Created, find_created, get_message, store_message
from storage import recipients
from storage.ids import Kind, encode_id
from storage.messages import Message, MessageKind

_COPIED = frozenset({MessageKind.ONCE, MessageKind.SERIES, MessageKind.OCCURRENCE})
_TIMES = frozenset({"local_time", "recurrence"})  # the rules that may be over
_NO_RULES = Rules()


async def duplicate_message(
    context: Context, actor: str, site_id: int, message_id: int, key: IdempotencyKey | None = None
) -> Created:
    """A new draft with the same content, rules and audience, whatever has become of the message.

    What has passed since (`send_at`, `expires_at`, `valid_until`, the time of a rule) is left out, and so is
    an end that has come too near for the other rules. WrongState for what is no admin's message (a test,
    say); IdempotencyKeyReused; storage.errors.NotFound.
    """
    created = await find_created(context, site_id, key)
    if created is not None:
        return created
    original = (await get_message(context, site_id, message_id)).message
    if original.kind not in _COPIED:
        raise WrongState(f"A message of kind {original.kind} cannot be duplicated.")
    duplicate = _copy(context, original, await _audience(context, original), context.clock.now())
    detail = {"duplicate_of": encode_id(Kind.MESSAGE, message_id)}
    return await store_message(context, actor, duplicate, key, detail)


async def _audience(context: Context, original: Message) -> AudienceSpec:
    """Uploaded recipients come along as long as they are kept; afterwards they have to be uploaded anew."""
    list_id = uploaded_list(original.audience_spec)
    if list_id is None or await context.database.read(
        lambda tx: recipients.exists(tx, original.site_id, list_id)
    ):
        return read_audience(original.audience_spec)
    return AudienceSpec(uploaded=0, names=0)


def _copy(context: Context, original: Message, audience: AudienceSpec, now: int) -> Message:
    rules = read_rules(original)
    send_at = original.send_at if original.send_at > now else None
    content = read_content(original)
    expires_at = original.expires_at if content.valid_until is None else content.expires_at
    starts_at = max(now, send_at or now)
    if expires_at is not None and expires_at <= starts_at:
        expires_at = None
    if content.valid_until is not None and content.valid_until <= starts_at:
        content = structs.replace(content, valid_until=None)
    draft = Draft(
        content=content,
        audience=audience,
        priority=original.priority,
        send_at=None if rules.local_time or rules.recurrence else send_at,
        expires_at=expires_at,
        rate=original.rate,
        rules=rules,
        is_draft=True,
    )
    try:
        return _make(context, draft, original.site_id, now)
    except InvalidRequest as exc:
        wrong = {error.path.partition(".")[0] for error in exc.errors}
        passed = {name: getattr(_NO_RULES, name) for name in _TIMES if name in wrong}
        draft = replace(draft, rules=structs.replace(rules, **passed))
        if not wrong <= _TIMES:  # a winner would be chosen after the end, say
            draft = replace(draft, expires_at=None, content=structs.replace(content, valid_until=None))
        return _make(context, draft, original.site_id, now)


def _make(context: Context, draft: Draft, site_id: int, now: int) -> Message:
    return make_message(
        draft,
        id=context.ids.next(),
        site_id=site_id,
        created_at=now,
        now=now,
        public_url=context.settings.public_url,
    )
