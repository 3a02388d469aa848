"""`/v1/sites/{site}/templates`: saved notifications."""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, structs

from gateway import audit, templates
from gateway.api.moments import Moment, to_moment
from gateway.api.paging import Page, PageQuery, page_of, read_cursor
from gateway.api.route import Call, route
from gateway.api.texts import Name
from gateway.content import Notification, Options
from gateway.errors import Conflict
from gateway.templates import Saved, Variables
from storage import templates as stored
from storage.ids import Kind, encode_id
from storage.tokens import Scope

_PATH = "/v1/sites/{site}/templates"


class NewTemplate(Struct, forbid_unknown_fields=True, frozen=True):
    name: Annotated[Name, Meta(description="No other template of the site has it.")]
    notification: Notification
    options: Options = Options()
    variables: Variables = {}


class TemplateChange(Struct, forbid_unknown_fields=True, frozen=True):
    """What is not given stays; what is given replaces the whole field."""

    name: Name | UnsetType = UNSET
    notification: Notification | UnsetType = UNSET
    options: Options | UnsetType = UNSET
    variables: Variables | UnsetType = UNSET


class Template(Struct, frozen=True):
    id: str
    name: str
    notification: Notification
    options: Options
    variables: Annotated[dict[str, Any], Meta(description="What a message need not say.")]
    created_at: Moment
    changed_at: Moment


@route("POST", _PATH, "Save a notification as a template", scope=Scope.SEND, status=201, errors=(Conflict,))
async def create_template(call: Call[NewTemplate, None]) -> Template:
    new = call.body
    saved = Saved(new.notification, new.options, new.variables)
    actor = audit.actor(call.token)
    return _show(await templates.create_template(call.context, actor, call.site_id, new.name, saved))


@route("GET", _PATH, "List templates", scope=Scope.READ)
async def list_templates(call: Call[None, PageQuery]) -> Page[Template]:
    """Oldest first."""
    limit = call.query.limit
    after_id = read_cursor(call.query.cursor)
    found = await templates.page_of_templates(call.context, call.site_id, after_id, limit + 1)
    return page_of([_show(each) for each in found], [each.id for each in found], limit)


@route("GET", f"{_PATH}/{{template}}", "Show a template", scope=Scope.READ)
async def show_template(call: Call[None, None]) -> Template:
    return _show(await templates.get_template(call.context, call.site_id, call.id_of(Kind.TEMPLATE)))


@route("PATCH", f"{_PATH}/{{template}}", "Change a template", scope=Scope.SEND, errors=(Conflict,))
async def change_template(call: Call[TemplateChange, None]) -> Template:
    """Messages that were made of it stay as they are."""
    asked = {
        name: value
        for name in ("notification", "options", "variables")
        if (value := getattr(call.body, name)) is not UNSET
    }
    changed = await templates.change_template(
        call.context,
        audit.actor(call.token),
        call.site_id,
        call.id_of(Kind.TEMPLATE),
        call.body.name or None,
        lambda saved: structs.replace(saved, **asked),
    )
    return _show(changed)


@route("DELETE", f"{_PATH}/{{template}}", "Delete a template", scope=Scope.SEND)
async def delete_template(call: Call[None, None]) -> None:
    """Messages that were made of it stay as they are."""
    actor, id = audit.actor(call.token), call.id_of(Kind.TEMPLATE)
    await templates.delete_template(call.context, actor, call.site_id, id)


def _show(template: stored.Template) -> Template:
    saved = templates.read_saved(template)
    return Template(
        id=encode_id(Kind.TEMPLATE, template.id),
        name=template.name,
        notification=saved.notification,
        options=saved.options,
        variables=saved.variables,
        created_at=to_moment(template.created_at),
        changed_at=to_moment(template.changed_at),
    )


ROUTES = (create_template, list_templates, show_template, change_template, delete_template)
