"""Sites: the tenants of a gateway."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

from msgspec import structs

from gateway import audit
from gateway.context import Context
from gateway.errors import FieldError, InvalidRequest
from gateway.keys import public_text, seal_key
from gateway.master_key import MasterKey
from gateway.origins import InvalidOrigin, parse_origin
from gateway.quotas import change_quotas
from gateway.site_settings import check_settings, read_settings, write_settings
from gateway.webpush import ApplicationServerKey as KeyPair
from gateway.webpush import InvalidContact, encode_base64url, parse_contact
from storage import audit as stored_audit
from storage import keys, locks, sites
from storage.database import Transaction
from storage.ids import Kind, encode_id
from storage.keys import ApplicationServerKey
from storage.sites import Identity, Site

_IDENTITY_KEYS = "identity keys"


@dataclass(frozen=True, slots=True)
class SiteWithKey:
    """A site and the key that new subscriptions get: the newest active one, None while all are paused."""

    site: Site
    key: ApplicationServerKey | None

    @property
    def application_server_key(self) -> str | None:
        return None if self.key is None else public_text(self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteChange:
    """What is None, or no key of `settings`, stays as it is."""

    name: str | None = None
    origins: Sequence[str] | None = None
    contact: str | None = None
    identity: Identity | None = None
    settings: Mapping[str, Any] | None = None  # fields of SiteSettings


def identity_key(master_key: MasterKey, site_id: int) -> str:
    """With which a site's back end signs external ids: HMAC-SHA256 under the ASCII bytes of this very text.

    The text, not what it decodes to: nobody has to decode anything in their language.
    """
    return encode_base64url(master_key.derive(_IDENTITY_KEYS, site_id))


def snippet(public_url: str, site_id: int) -> str:
    """The line that the website's owner puts into every page."""
    return f'<script async src="{escape(public_url)}/sdk/{encode_id(Kind.SITE, site_id)}.js"></script>'


async def create_site(
    context: Context,
    actor: str,
    *,
    name: str,
    origins: Sequence[str],
    contact: str,
    identity: Identity = Identity.SIGNED,
    demo: bool = False,
) -> SiteWithKey:
    """A site with its first application server key. InvalidRequest says which origin or contact is wrong."""
    change = _checked(SiteChange(name=name, origins=origins, contact=contact, identity=identity))
    site = Site(
        id=context.ids.next(),
        name=name,
        origins=tuple(change.origins or ()),
        contact=change.contact or "",
        identity=identity,
        demo=demo,
        created_at=context.clock.now(),
    )
    key = seal_key(context, site.id, KeyPair.generate())
    note = audit.entry(context, actor, "site.created", encode_id(Kind.SITE, site.id), site.id, {"name": name})

    async def body(tx: Transaction) -> None:
        await sites.add(tx, site)
        await keys.add(tx, key)
        await stored_audit.add(tx, note)

    await context.database.write(body)
    return SiteWithKey(site, key)


async def get_site(context: Context, site_id: int) -> SiteWithKey:
    async def body(tx: Transaction) -> SiteWithKey:
        return await _with_key(tx, await sites.get(tx, site_id))

    return await context.database.read(body)


async def page_of_sites(
    context: Context, after_id: int | None, limit: int, only: int | None
) -> Sequence[SiteWithKey]:
    """Oldest first; `only` one site, for a token that may know of no other."""

    async def body(tx: Transaction) -> Sequence[SiteWithKey]:
        found = await sites.page(tx, after_id or 0, limit, None if only is None else [only])
        return [await _with_key(tx, site) for site in found]

    return await context.database.read(body)


async def change_site(context: Context, actor: str, site_id: int, change: SiteChange) -> SiteWithKey:
    """The site as it is afterwards. InvalidRequest as for a new one; NotFound."""
    checked = _checked(change)
    named = ("name", "origins", "contact", "identity")
    changes = {name: value for name in named if (value := getattr(checked, name)) is not None}
    noted = changes if change.settings is None else {**changes, "settings": change.settings}
    note = audit.entry(context, actor, "site.changed", encode_id(Kind.SITE, site_id), site_id, noted)

    async def body(tx: Transaction) -> SiteWithKey:
        await locks.hold(tx, site_id)
        before = await sites.get(tx, site_id)
        site = replace(before, settings=_settings(before, change.settings or {}), **changes)
        await sites.update(tx, site)
        old, new = read_settings(before).quotas, read_settings(site).quotas
        if new != old:
            await change_quotas(tx, site_id, old, new, note.at)
        await stored_audit.add(tx, note)
        return await _with_key(tx, site)

    return await context.database.write(body)


async def delete_site(context: Context, actor: str, site_id: int) -> None:
    """Its keys and tokens die at once, its rows are removed in small steps later."""
    note = audit.entry(context, actor, "site.deleted", encode_id(Kind.SITE, site_id), site_id)

    async def body(tx: Transaction) -> None:
        await sites.get(tx, site_id)
        await sites.delete(tx, site_id, note.at)
        await stored_audit.add(tx, note)

    await context.database.write(body)


async def _with_key(tx: Transaction, site: Site) -> SiteWithKey:
    return SiteWithKey(site, await keys.newest_active(tx, site.id))


def _settings(site: Site, changes: Mapping[str, Any]) -> str:
    """The site's settings with these changes. InvalidRequest."""
    settings = structs.replace(read_settings(site), **changes)
    errors = check_settings(settings) if changes else []
    if errors:
        raise InvalidRequest(errors=errors)
    return write_settings(settings)


def _checked(change: SiteChange) -> SiteChange:
    """With origins and contact as they are stored; all that is wrong, at once."""
    errors: list[FieldError] = []
    origins: list[str] = []
    for index, text in enumerate(change.origins or ()):
        try:
            origins.append(parse_origin(text))
        except InvalidOrigin as exc:
            errors.append(FieldError(f"origins[{index}]", str(exc)))
    contact = change.contact
    if contact is not None:
        try:
            contact = parse_contact(contact)
        except InvalidContact as exc:
            errors.append(FieldError("contact", f"{str(exc)[0].upper()}{str(exc)[1:]}."))
    if errors:
        raise InvalidRequest(errors=errors)
    distinct = None if change.origins is None else tuple(dict.fromkeys(origins))
    return replace(change, origins=distinct, contact=contact)
