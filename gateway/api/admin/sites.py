"""`/v1/sites`."""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, structs

from gateway import audit, sites
from gateway.api.doorkeeper import DOORKEEPER, require_all_sites
from gateway.api.moments import Moment, to_moment
from gateway.api.paging import Page, PageQuery, page_of, read_cursor
from gateway.api.route import Call, route
from gateway.api.texts import Name
from gateway.campaigns.frequency import FrequencyCap
from gateway.campaigns.quiet_hours import QuietHours
from gateway.campaigns.quotas import Quotas
from gateway.campaigns.utm import Utm
from gateway.site_settings import SdkChannel, SiteSettings, read_settings
from gateway.sites import SiteChange, SiteWithKey
from gateway.subscription_fields import Timezone
from storage.ids import Kind, encode_id
from storage.sites import Identity
from storage.tokens import Scope

Origins = Annotated[
    list[Annotated[str, Meta(max_length=300, description="`https://example.com`: scheme, host, port.")]],
    Meta(min_length=1, max_length=50),
]
Contact = Annotated[
    str, Meta(max_length=255, description="`mailto:` or `https:`; push services write to it (RFC 8292).")
]


class NewSite(Struct, forbid_unknown_fields=True, frozen=True):
    name: Name
    origins: Origins
    contact: Contact
    identity: Identity = Identity.SIGNED


class SettingsChange(Struct, forbid_unknown_fields=True, frozen=True):
    """Fields of SiteSettings: what is not given stays as it is, null stands for the default."""

    timezone: Timezone | UnsetType | None = UNSET
    quiet_hours: QuietHours | UnsetType | None = UNSET
    utm: Utm | UnsetType | None = UNSET
    frequency_cap: FrequencyCap | UnsetType | None = UNSET
    quotas: Annotated[
        Quotas | UnsetType | None, Meta(description="As a whole; only a token for all sites changes them.")
    ] = UNSET
    sdk_channel: SdkChannel | UnsetType | None = UNSET


class ShownSettings(SiteSettings, frozen=True, kw_only=True, omit_defaults=False):
    """All of them, as they are."""


class SiteChanges(Struct, forbid_unknown_fields=True, frozen=True):
    """What is not given stays as it is."""

    name: Name | UnsetType = UNSET
    origins: Origins | UnsetType = UNSET
    contact: Contact | UnsetType = UNSET
    identity: Identity | UnsetType = UNSET
    settings: SettingsChange | UnsetType = UNSET


class Site(Struct, frozen=True):
    id: str
    name: str
    origins: tuple[str, ...]
    contact: str
    identity: Identity
    demo: bool
    application_server_key: str | None
    snippet: str
    settings: ShownSettings
    created_at: Moment
    identity_key: Annotated[str | UnsetType, Meta(description="Only for tokens with scope manage.")] = UNSET


@route("POST", "/v1/sites", "Create a site", scope=Scope.MANAGE, status=201)
async def create_site(call: Call[NewSite, None]) -> Site:
    """Makes its first application server key too. Needs a token for all sites."""
    require_all_sites(call.token)
    new = call.body
    made = await sites.create_site(
        call.context,
        audit.actor(call.token),
        name=new.name,
        origins=new.origins,
        contact=new.contact,
        identity=new.identity,
    )
    return _show(call, made)


@route("GET", "/v1/sites", "List sites", scope=Scope.READ)
async def list_sites(call: Call[None, PageQuery]) -> Page[Site]:
    """Oldest first; a token that is bound to a site sees that one."""
    limit = call.query.limit
    found = await sites.page_of_sites(
        call.context, read_cursor(call.query.cursor), limit + 1, call.token.site_id
    )
    return page_of([_show(call, each) for each in found], [each.site.id for each in found], limit)


@route("GET", "/v1/sites/{site}", "Show a site", scope=Scope.READ)
async def show_site(call: Call[None, None]) -> Site:
    return _show(call, await sites.get_site(call.context, call.site_id))


@route("PATCH", "/v1/sites/{site}", "Change a site", scope=Scope.MANAGE)
async def change_site(call: Call[SiteChanges, None]) -> Site:
    wanted = call.body
    if wanted.settings is not UNSET and wanted.settings.quotas is not UNSET:
        require_all_sites(call.token)
    change = SiteChange(
        name=wanted.name or None,
        origins=wanted.origins or None,
        contact=None if wanted.contact is UNSET else wanted.contact,
        identity=wanted.identity or None,
        settings=None if wanted.settings is UNSET else _given(wanted.settings),
    )
    return _show(call, await sites.change_site(call.context, audit.actor(call.token), call.site_id, change))


@route("DELETE", "/v1/sites/{site}", "Delete a site", scope=Scope.MANAGE)
async def delete_site(call: Call[None, None]) -> None:
    """With its keys, tokens, subscriptions and messages. There is no way back."""
    await sites.delete_site(call.context, audit.actor(call.token), call.site_id)
    call.request.app[DOORKEEPER].forget()


def _given(change: SettingsChange) -> dict[str, Any]:
    defaults = SiteSettings()
    return {
        name: getattr(defaults, name) if value is None else value
        for name, value in structs.asdict(change).items()
        if value is not UNSET
    }


def _show(call: Call[Any, Any], found: SiteWithKey) -> Site:
    site = found.site
    may_sign = Scope.MANAGE in call.token.scopes
    return Site(
        id=encode_id(Kind.SITE, site.id),
        name=site.name,
        origins=site.origins,
        contact=site.contact,
        identity=site.identity,
        demo=site.demo,
        application_server_key=found.application_server_key,
        snippet=sites.snippet(call.context.settings.public_url, site.id),
        settings=ShownSettings(**structs.asdict(read_settings(site))),
        created_at=to_moment(site.created_at),
        identity_key=sites.identity_key(call.context.master_key, site.id) if may_sign else UNSET,
    )


ROUTES = (create_site, list_sites, show_site, change_site, delete_site)
