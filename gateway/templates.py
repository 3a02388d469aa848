"""Templates: notifications that are saved once and sent many times, with other `variables` in their texts.

A message keeps its own copy: what becomes of the template afterwards changes no message.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, json

from gateway import audit
from gateway.campaigns import variables
from gateway.content import Notification, Options
from gateway.content_limits import check_size
from gateway.context import Context
from gateway.errors import Conflict, FieldError, InvalidRequest
from gateway.message_draft import check_options
from gateway.nesting import check_nesting
from storage import audit as stored_audit
from storage import locks, sites, templates
from storage.database import Transaction
from storage.errors import Conflict as AlreadyStored
from storage.errors import NotFound
from storage.ids import Kind, MalformedId, decode_id, encode_id
from storage.templates import Template

MOST = 1_000  # of a site
MOST_GIVEN = 65_536  # bytes of what a message says of variables: each text may go through all of them

Variables = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Any],
    Meta(max_length=100, description="For `{{ variables.name }}` in the texts of a template."),
]


class Saved(Struct, frozen=True, omit_defaults=True):
    """What a template says. Its texts may hold Liquid; `variables` are those that a message need not give."""

    notification: Notification
    options: Options
    variables: dict[str, Any] = {}


_DECODER = json.Decoder(Saved)
_ENCODER = json.Encoder()


def read_saved(template: Template) -> Saved:
    return _DECODER.decode(template.content)


async def create_template(context: Context, actor: str, site_id: int, name: str, saved: Saved) -> Template:
    """InvalidRequest: no message could say it; Conflict: the name is taken, or there are MOST; NotFound."""
    _check(saved)
    now = context.clock.now()
    made = Template(context.ids.next(), site_id, name, _ENCODER.encode(saved).decode(), now, now)
    note = audit.entry(context, actor, "template.created", _id(made.id), site_id, {"name": name})

    async def body(tx: Transaction) -> None:
        await sites.get(tx, site_id)
        if await templates.count(tx, site_id) >= MOST:
            raise Conflict(f"The site has {MOST} templates: delete one first.")
        await templates.add(tx, made)
        await stored_audit.add(tx, note)

    try:
        await context.database.write(body)
    except AlreadyStored:
        raise _taken(name) from None
    return made


async def get_template(context: Context, site_id: int, template_id: int) -> Template:
    async def body(tx: Transaction) -> Template:
        await sites.get(tx, site_id)
        return await templates.get(tx, site_id, template_id)

    return await context.database.read(body)


async def page_of_templates(
    context: Context, site_id: int, after_id: int | None, limit: int
) -> Sequence[Template]:
    """Oldest first."""

    async def body(tx: Transaction) -> Sequence[Template]:
        await sites.get(tx, site_id)
        return await templates.page(tx, site_id, after_id or 0, limit)

    return await context.database.read(body)


async def change_template(
    context: Context,
    actor: str,
    site_id: int,
    template_id: int,
    name: str | None,
    change: Callable[[Saved], Saved],
) -> Template:
    """Give it what `change` makes of it; messages that were made of it stay as they are.

    Errors as `create_template`.
    """
    note = audit.entry(context, actor, "template.changed", _id(template_id), site_id)

    async def body(tx: Transaction) -> Template:
        await locks.hold(tx, template_id)
        await sites.get(tx, site_id)
        before = await templates.get(tx, site_id, template_id)
        saved = change(read_saved(before))
        _check(saved)
        after = replace(
            before,
            name=before.name if name is None else name,
            content=_ENCODER.encode(saved).decode(),
            changed_at=note.at,
        )
        await templates.update(tx, after)
        await stored_audit.add(tx, note)
        return after

    try:
        return await context.database.write(body)
    except AlreadyStored:
        raise _taken(name) from None


async def delete_template(context: Context, actor: str, site_id: int, template_id: int) -> None:
    """Messages that were made of it stay as they are."""
    note = audit.entry(context, actor, "template.deleted", _id(template_id), site_id)

    async def body(tx: Transaction) -> None:
        await sites.get(tx, site_id)
        await templates.delete(tx, site_id, template_id)
        await stored_audit.add(tx, note)

    await context.database.write(body)


async def fill_template(
    context: Context, site_id: int, template: str, given: Mapping[str, Any]
) -> tuple[Notification, Options]:
    """What a message of the template says: `given` variables and the template's own put into its texts.

    InvalidRequest: there is no such template, or its texts cannot be filled with these variables.
    """
    try:
        saved = read_saved(await get_template(context, site_id, decode_id(Kind.TEMPLATE, template)))
    except (MalformedId, NotFound):
        raise InvalidRequest(errors=[FieldError("template", "The site has no such template.")]) from None
    return _filled(saved, given), saved.options


def _filled(saved: Saved, given: Mapping[str, Any]) -> Notification:
    errors = check_nesting(dict(given), "variables")
    if len(json.encode(given)) > MOST_GIVEN:
        errors.append(FieldError("variables", f"These have more than {MOST_GIVEN} bytes as JSON."))
    if not errors:
        values = {**saved.variables, **given}
        filled = variables.fill(
            msgspec.to_builtins(saved.notification), "template.notification", values, errors
        )
    if errors:
        raise InvalidRequest("The template cannot be filled with these variables.", errors)
    try:
        return msgspec.convert(filled, Notification)
    except msgspec.ValidationError as exc:
        raise InvalidRequest(
            "The template cannot be filled with these variables.",
            [FieldError("template.notification", f"{exc}.")],
        ) from exc


def _check(saved: Saved) -> None:
    errors = [
        *check_size(saved.notification, "notification"),
        *check_options(saved.options),
        *check_nesting(saved.notification.data, "notification.data"),
        *check_nesting(saved.variables, "variables"),
    ]
    if not errors:
        errors += variables.check(msgspec.to_builtins(saved.notification), "notification")
    if errors:
        raise InvalidRequest("The template cannot be used like this.", errors)


def _id(template_id: int) -> str:
    return encode_id(Kind.TEMPLATE, template_id)


def _taken(name: str | None) -> Conflict:
    return Conflict(f"The site has another template named {name!r}.")
