"""Sites and subscribers straight through storage: a million in less than a minute."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.context import Context
from gateway.keys import seal_key
from gateway.webpush import ApplicationServerKey
from loadtest.audience import PROVIDER, Browser
from storage import keys, sites, subscriptions
from storage.database import Transaction
from storage.ids import Kind, encode_id
from storage.sites import Identity, Site
from storage.subscriptions import NewSubscription

PAGE = 2_000


@dataclass(frozen=True, slots=True)
class FilledSite:
    id: int
    origin: str
    subscriptions: Sequence[int]

    @property
    def path(self) -> str:
        return f"/v1/sites/{self.text_id}"

    @property
    def text_id(self) -> str:
        return encode_id(Kind.SITE, self.id)


async def add_site(
    context: Context, name: str, url: str, count: int, browsers: Sequence[Browser]
) -> FilledSite:
    """A site with `count` subscribers whose endpoints are under `url`; `browsers` lend their keys in turn."""
    origin = f"https://{name}.example"
    site = Site(
        id=context.ids.next(),
        name=name,
        origins=(origin,),
        contact="mailto:ops@load.example.com",
        identity=Identity.SIGNED,
        demo=False,
        created_at=context.clock.now(),
    )
    key = seal_key(context, site.id, ApplicationServerKey.generate())

    async def add(tx: Transaction) -> None:
        await sites.add(tx, site)
        await keys.add(tx, key)

    await context.database.write(add)
    ids: list[int] = []
    for start in range(0, count, PAGE):
        now = context.clock.now()
        page = [
            (
                context.ids.next(),
                NewSubscription(
                    endpoint=f"{url}/wp/{name}-{number:024x}",
                    provider=PROVIDER,
                    key_id=key.id,
                    p256dh=browser.p256dh,
                    auth=browser.auth,
                    created_at=now,
                ),
            )
            for number in range(start, min(start + PAGE, count))
            for browser in (browsers[number % len(browsers)],)
        ]
        await context.database.write(
            lambda tx, page=page, now=now: subscriptions.add_many(tx, site.id, page, now)  # type: ignore[misc]
        )
        ids += [id for id, _ in page]
    return FilledSite(site.id, origin, ids)
