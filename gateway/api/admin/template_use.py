"""Messages that say which template they are made of: filled in before anything else looks at them."""

from typing import TypeVar

from msgspec import UNSET
from msgspec.structs import replace

from gateway.api.admin.message_types import MessageChange, NewMessage
from gateway.context import Context
from gateway.errors import FieldError, InvalidRequest
from gateway.templates import fill_template

BodyT = TypeVar("BodyT", NewMessage, MessageChange)


async def fill_in(context: Context, site_id: int, body: BodyT) -> BodyT:
    """The same request with the notification of its template, and the options unless it has its own.

    InvalidRequest: no such template, a variable is missing, or both a template and a notification.
    """
    if not isinstance(body.template, str):
        if body.variables:
            raise InvalidRequest(errors=[FieldError("variables", "Variables are for a template: name it.")])
        if body.notification is not UNSET and isinstance(body, MessageChange):
            return replace(body, template=None)  # it is not what it was made of any more
        return body
    if body.notification is not UNSET:
        raise InvalidRequest(errors=[FieldError("template", "Give a template or a notification, not both.")])
    notification, options = await fill_template(context, site_id, body.template, body.variables or {})
    return replace(
        body, notification=notification, options=options if body.options is UNSET else body.options
    )
