"""The subscriptions of a site as its admins see and change them; `gateway.enrolment` is for browsers."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import UNSET, Struct, UnsetType

from gateway import audit
from gateway.categories import CategoryNames, unknown_categories
from gateway.context import Context
from gateway.errors import InvalidRequest, NotFound
from gateway.subscription_fields import (
    AttributeChanges,
    AttributeValue,
    ExternalId,
    Language,
    Tags,
    Timezone,
    check_fields,
    check_totals,
)
from storage import audit as stored_audit
from storage import locks, sites, subscriptions
from storage.database import Transaction
from storage.ids import Kind, encode_id
from storage.subscriptions import Change, Subscription, SubscriptionState


class SubscriptionChange(Struct, kw_only=True, frozen=True):
    """Fields that are not given stay as they are; an external id of null is forgotten."""

    add_tags: Tags = []
    remove_tags: Tags = []
    attributes: AttributeChanges = {}
    language: Language | UnsetType = UNSET
    timezone: Timezone | UnsetType = UNSET
    external_id: ExternalId | UnsetType | None = UNSET
    opt_out: CategoryNames = []
    opt_in: CategoryNames = []


async def page_of_subscriptions(
    context: Context,
    site_id: int,
    after_id: int | None,
    limit: int,
    *,
    external_id: str | None = None,
    tag: str | None = None,
    state: SubscriptionState | None = None,
) -> Sequence[Subscription]:
    """Oldest first, those that meet every filter. storage.errors.NotFound: no such site."""

    async def body(tx: Transaction) -> Sequence[Subscription]:
        await sites.get(tx, site_id)
        return await subscriptions.page(
            tx, site_id, after_id or 0, limit, external_id=external_id, tag=tag, state=state
        )

    return await context.database.read(body)


async def get_subscription(context: Context, site_id: int, id: int) -> Subscription:
    """In any state but erased. NotFound."""

    async def body(tx: Transaction) -> Subscription:
        await sites.get(tx, site_id)
        return await existing(tx, site_id, id)

    return await context.database.read(body)


async def change_subscription(
    context: Context, actor: str, site_id: int, id: int, change: SubscriptionChange
) -> Subscription:
    """As it is afterwards. NotFound; InvalidRequest when a limit would be passed."""
    fields = [name for name in change.__struct_fields__ if getattr(change, name) not in (UNSET, [], {})]
    note = audit.entry(
        context,
        actor,
        "subscription.changed",
        encode_id(Kind.SUBSCRIPTION, id),
        site_id,
        {"fields": fields},
    )

    async def body(tx: Transaction) -> Subscription:
        await sites.get(tx, site_id)
        changed = await apply_change(tx, site_id, id, change)
        await stored_audit.add(tx, note)
        return changed

    return await context.database.write(body)


async def erase_subscription(context: Context, actor: str, site_id: int, id: int) -> None:
    """Nothing of the visitor is left but that there was one. NotFound, also the second time."""
    note = audit.entry(context, actor, "subscription.erased", encode_id(Kind.SUBSCRIPTION, id), site_id)

    async def body(tx: Transaction) -> None:
        await locks.hold(tx, site_id)  # of two at once one is the visitor's last
        await sites.get(tx, site_id)
        await existing(tx, site_id, id)
        await subscriptions.erase(tx, site_id, id, note.at)
        await stored_audit.add(tx, note)

    await context.database.write(body)


async def apply_change(tx: Transaction, site_id: int, id: int, change: SubscriptionChange) -> Subscription:
    """As it is afterwards. storage.errors.NotFound, also when it was erased; InvalidRequest: over a limit."""
    stored = await subscriptions.get_to_change(tx, site_id, id)
    tags = _merged_names(stored.tags, change.add_tags, change.remove_tags)
    attributes = _merged_attributes(stored.attributes, change.attributes)
    timezone = None if change.timezone is UNSET else change.timezone
    errors = check_fields(change.attributes, timezone) + check_totals(tags, attributes)
    errors += await unknown_categories(tx, site_id, change.opt_out, "opt_out")
    if errors:
        raise InvalidRequest("The change cannot be made.", errors)
    wanted = Change(
        external_id=None if change.external_id is UNSET else change.external_id or "",
        language=None if change.language is UNSET else change.language,
        timezone=timezone,
        tags=tags,
        attributes=attributes,
        opted_out=_merged_names(stored.opted_out, change.opt_out, change.opt_in),
    )
    return await subscriptions.change(tx, site_id, id, wanted)


async def existing(tx: Transaction, site_id: int, id: int) -> Subscription:
    """In any state but erased. NotFound."""
    stored = await subscriptions.get(tx, site_id, id)
    if stored.state is SubscriptionState.ERASED:
        raise NotFound
    return stored


def _merged_names(stored: Iterable[str], added: Iterable[str], removed: Sequence[str]) -> tuple[str, ...]:
    return tuple(tag for tag in dict.fromkeys([*stored, *added]) if tag not in removed)


def _merged_attributes(
    stored: Mapping[str, AttributeValue], changes: Mapping[str, AttributeValue | None]
) -> dict[str, AttributeValue]:
    merged = {**stored, **changes}
    return {name: value for name, value in merged.items() if value is not None}
