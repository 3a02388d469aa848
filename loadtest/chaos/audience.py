"""Subscribers straight into the database; what became of them, straight out of it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from secrets import randbits

from gateway.clock import SystemClock
from loadtest.audience import PAGE, PROVIDER, make_browsers
from loadtest.chaos.sink import CountingSink, Kind
from storage import batches, deliveries, keys, subscriptions
from storage.database import Database
from storage.deliveries import Delivery
from storage.ids import IdSource
from storage.opening import open_database
from storage.subscriptions import NewSubscription

GONE_OF_TEN = 3
BROWSERS = 200  # different keys
# They came long ago: of somebody who has only just subscribed, a 410 is not believed at once.
AGE = 30 * 86_400_000  # milliseconds


@dataclass
class Audience:
    """Everybody by number: their subscription id. `kinds` says how their endpoints behave."""

    site_id: int
    ids: list[int] = field(default_factory=list)

    def kind(self, number: int) -> Kind:
        return Kind.GONE if number % 10 < GONE_OF_TEN else Kind.LIVE

    @property
    def gone(self) -> int:
        return sum(self.kind(number) is Kind.GONE for number in range(len(self.ids)))


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """The gateway's database, for a moment."""
    database = await open_database(url, migrate=False)
    try:
        yield database
    finally:
        await database.close()


async def subscribe(url: str, site_id: int, sink: CountingSink, count: int) -> Audience:
    """`count` subscribers of the site, three of ten of whom are gone."""
    audience = Audience(site_id)
    endpoints = [sink.endpoint(audience.kind(number), number) for number in range(count)]
    audience.ids += await _add(url, site_id, endpoints)
    return audience


async def subscribe_late(url: str, site_id: int, sink: CountingSink, count: int) -> None:
    """Subscribers who are not to get what was frozen before."""
    await _add(url, site_id, [sink.endpoint(Kind.LATE, number) for number in range(count)])


async def _add(url: str, site_id: int, endpoints: list[str]) -> list[int]:
    clock = SystemClock()
    source = IdSource(clock.now, randbits)
    browsers = make_browsers(BROWSERS)
    added: list[int] = []
    async with opened(url) as database:
        key = (await database.read(lambda tx: keys.of_site(tx, site_id)))[0]
        for start in range(0, len(endpoints), PAGE):
            then = clock.now() - AGE
            page = [
                (
                    source.next(),
                    NewSubscription(
                        endpoint=endpoint,
                        provider=PROVIDER,
                        key_id=key.id,
                        p256dh=browsers[number % BROWSERS].p256dh,
                        auth=browsers[number % BROWSERS].auth,
                        created_at=then,
                    ),
                )
                for number, endpoint in enumerate(endpoints[start : start + PAGE])
            ]
            await database.write(
                lambda tx, page=page, then=then: subscriptions.add_many(tx, site_id, page, then)  # type: ignore[misc]
            )
            added += [id for id, _ in page]
    return added


async def deliveries_of(url: str, site_id: int, message_id: int) -> Mapping[int, Delivery]:
    """All rows of a message, by subscription id."""
    rows: dict[int, Delivery] = {}
    async with opened(url) as database:
        after = 0
        while True:
            page = await database.read(
                lambda tx, after=after: deliveries.page(tx, site_id, message_id, after, PAGE)  # type: ignore[misc]
            )
            rows.update((row.subscription_id, row) for row in page)
            if len(page) < PAGE:
                return rows
            after = page[-1].subscription_id


async def batches_left(url: str, message_id: int) -> int:
    async with opened(url) as database:
        return await database.read(lambda tx: batches.count_of_message(tx, message_id))
