"""Messages that say which template they are made of: filled in before anything else looks at them."""

from typing import TypeVar

from msgspec import UNSET
from msgspec.structs import replace

from gateway.api.admin.message_types import MessageChange, NewMessage
from gateway.content import Options
from gateway.context import Context
from gateway.errors import FieldError, InvalidRequest
from gateway.templates import fill_template

NewT = TypeVar("NewT", bound=NewMessage)


async def fill_in(context: Context, site_id: int, new: NewT) -> NewT:
    """The same request with the notification of its template, and the options unless it has its own.

    InvalidRequest: no such template, a variable is missing, or both a template and a notification.
    """
    if not isinstance(new.template, str):
        _refuse_variables(new)
        return new
    _refuse_both(new)
    notification, options = await fill_template(context, site_id, new.template, new.variables or {})
    return replace(new, notification=notification, options=options if new.options is UNSET else new.options)


async def fill_in_change(
    context: Context, site_id: int, change: MessageChange
) -> tuple[MessageChange, Options | None]:
    """As `fill_in`, of a change; and the options of the template, for a message that was not made of it."""
    if not isinstance(change.template, str):
        _refuse_variables(change)
        by_hand = change.notification is not UNSET  # it is not what it was made of any more
        return (replace(change, template=None) if by_hand else change), None
    _refuse_both(change)
    notification, options = await fill_template(context, site_id, change.template, change.variables or {})
    return replace(change, notification=notification), options


def _refuse_variables(body: NewMessage | MessageChange) -> None:
    if body.variables:
        raise InvalidRequest(errors=[FieldError("variables", "Variables are for a template: name it.")])


def _refuse_both(body: NewMessage | MessageChange) -> None:
    if body.notification is not UNSET:
        raise InvalidRequest(errors=[FieldError("template", "Give a template or a notification, not both.")])
