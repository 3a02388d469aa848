"""`/v1/sites/{site}/categories`: what visitors may leave."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from gateway import audit, categories
from gateway.api.moments import Moment, to_moment
from gateway.api.paging import Page
from gateway.api.route import Call, route
from gateway.api.texts import Name
from gateway.campaigns.categories import CategoryName
from gateway.errors import Conflict
from storage import categories as stored
from storage.ids import Kind, encode_id
from storage.tokens import Scope

_PATH = "/v1/sites/{site}/categories"

Title = Annotated[Name, Meta(description="What visitors are shown.")]


class NewCategory(Struct, forbid_unknown_fields=True, frozen=True):
    name: CategoryName
    title: Title


class CategoryChange(Struct, forbid_unknown_fields=True, frozen=True):
    """The name stays: visitors have left it by that."""

    title: Title | UnsetType = UNSET


class Category(Struct, frozen=True):
    id: str
    name: str
    title: str
    created_at: Moment
    changed_at: Moment


@route("POST", _PATH, "Create a category", scope=Scope.MANAGE, status=201, errors=(Conflict,))
async def create_category(call: Call[NewCategory, None]) -> Category:
    actor, new = audit.actor(call.token), call.body
    return _show(await categories.create_category(call.context, actor, call.site_id, new.name, new.title))


@route("GET", _PATH, "List categories", scope=Scope.READ)
async def list_categories(call: Call[None, None]) -> Page[Category]:
    """All of them, oldest first."""
    found: Sequence[stored.Category] = await categories.list_categories(call.context, call.site_id)
    return Page([_show(each) for each in found])


@route("GET", f"{_PATH}/{{category}}", "Show a category", scope=Scope.READ)
async def show_category(call: Call[None, None]) -> Category:
    return _show(await categories.get_category(call.context, call.site_id, call.id_of(Kind.CATEGORY)))


@route("PATCH", f"{_PATH}/{{category}}", "Change a category's title", scope=Scope.MANAGE)
async def change_category(call: Call[CategoryChange, None]) -> Category:
    actor, id = audit.actor(call.token), call.id_of(Kind.CATEGORY)
    title = call.body.title or None
    return _show(await categories.change_category(call.context, actor, call.site_id, id, title))


@route("DELETE", f"{_PATH}/{{category}}", "Delete a category", scope=Scope.MANAGE)
async def delete_category(call: Call[None, None]) -> None:
    """Messages that are of it stay so, and visitors who left it get none of them."""
    await categories.delete_category(
        call.context, audit.actor(call.token), call.site_id, call.id_of(Kind.CATEGORY)
    )


def _show(category: stored.Category) -> Category:
    return Category(
        id=encode_id(Kind.CATEGORY, category.id),
        name=category.name,
        title=category.title,
        created_at=to_moment(category.created_at),
        changed_at=to_moment(category.changed_at),
    )


ROUTES = (create_category, list_categories, show_category, change_category, delete_category)
