"""A gateway's database with one site in it, for tests of the scheduler and of senders."""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.audience import AudienceSpec, write_audience
from gateway.campaigns.quiet_hours import ClockOf, QuietHours
from gateway.content import Content, Notification, Options, write_content
from gateway.context import Context
from gateway.keys import seal_key
from gateway.master_key import MasterKey
from gateway.settings import Settings
from gateway.site_settings import SiteSettings, write_settings
from gateway.webpush import ApplicationServerKey, PushHosts
from storage import batches, deliveries, keys, messages, sites, subscriptions
from storage.batches import BULK, TRANSACTIONAL
from storage.database import Database, Transaction
from storage.deliveries import Delivery
from storage.ids import IdSource
from storage.keys import ApplicationServerKey as StoredKey
from storage.messages import Message, Priority, Progress
from storage.opening import open_database
from storage.sites import Identity, Site
from storage.subscriptions import NewSubscription
from tests.fakes.clock import FakeClock

EVERYBODY = AudienceSpec(all=True)
ENDPOINTS = {
    "fcm": "https://fcm.googleapis.com/fcm/send/{}",
    "mozilla": "https://updates.push.services.mozilla.com/wpush/v2/{}",
    "other": "https://push.intranet.example/{}",  # not listed, unless a test lists it
    "wns": "https://wns2.notify.windows.com/w/?token={}",
    "apple": "https://web.push.apple.com/{}",
}
BROWSER_KEY = ec.derive_private_key(7, ec.SECP256R1())  # of every browser, to save time
P256DH = BROWSER_KEY.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
AUTH = bytes(range(16))


@dataclass
class Installation:
    context: Context
    clock: FakeClock
    site: Site
    key: StoredKey
    _number: int = field(default=0)

    @property
    def database(self) -> Database:
        return self.context.database

    async def subscribe(self, count: int, provider: str = "fcm", **fields: Any) -> list[int]:
        """Ids of `count` new subscriptions."""
        made: list[tuple[int, NewSubscription]] = []
        for _ in range(count):
            self._number += 1
            new = NewSubscription(
                endpoint=ENDPOINTS[provider].format(self._number),
                provider=provider,
                p256dh=P256DH,
                auth=AUTH,
                created_at=self.clock.now(),
                **{"key_id": self.key.id, **fields},
            )
            made.append((self.context.ids.next(), new))
        for start in range(0, count, 1_000):
            page = made[start : start + 1_000]

            async def body(tx: Transaction, page: list[tuple[int, NewSubscription]] = page) -> None:
                await subscriptions.add_many(tx, self.site.id, page, self.clock.now())

            await self.database.write(body)
        return [id for id, _ in made]

    async def set_quiet_hours(self, start: str | None, end: str = "", **settings: Any) -> None:
        """None: no quiet hours (any more)."""
        zone = ClockOf(settings.pop("zone", "visitor"))
        hours = None if start is None else QuietHours(start, end, zone)
        stored = write_settings(SiteSettings(quiet_hours=hours, **settings))
        self.site = replace(self.site, settings=stored)
        await self.database.write(lambda tx: sites.update(tx, self.site))

    async def add_message(
        self,
        audience: AudienceSpec = EVERYBODY,
        *,
        ttl: int = 3_600,
        priority: Priority = Priority.BULK,
        send_at: int | None = None,
        content: Content | None = None,
        **fields: Any,
    ) -> Message:
        """A scheduled message, due now."""
        content = content or Content(Notification("Sale", body="Ends tonight"), Options(ttl=ttl))
        message = Message(
            id=self.context.ids.next(),
            site_id=self.site.id,
            priority=priority,
            lane=TRANSACTIONAL if priority is Priority.TRANSACTIONAL else BULK,
            content=write_content(content),
            audience_spec=write_audience(audience),
            ttl=ttl,
            send_at=self.clock.now() if send_at is None else send_at,
            created_at=self.clock.now(),
            **fields,
        )
        await self.database.write(lambda tx: messages.add(tx, message))
        return message

    async def message(self, id: int) -> Message:
        return (await self.database.read(lambda tx: messages.by_ids(tx, [id])))[id]

    async def progress(self, id: int) -> Progress | None:
        """As the API shows it; no number may ever be negative."""
        progress, _ = (await self.database.read(lambda tx: messages.progress_of(tx, [id])))[id]
        if progress is not None:
            numbers = [value for value in vars_of(progress) if isinstance(value, int)]
            assert min(numbers) >= 0, progress
            assert progress.audience == sum(numbers) - progress.audience, progress
        return progress

    async def deliveries(self, id: int) -> dict[int, Delivery]:
        """All rows of a message, by subscription."""
        rows: list[Delivery] = []
        while True:
            after = rows[-1].subscription_id if rows else 0
            page = await self.database.read(
                lambda tx, after=after: deliveries.page(tx, self.site.id, id, after, 1_000)  # type: ignore[misc]
            )
            rows += page
            if len(page) < 1_000:
                return {row.subscription_id: row for row in rows}

    async def batches_left(self, id: int) -> int:
        return await self.database.read(lambda tx: batches.count_of_message(tx, id))


def vars_of(progress: Progress) -> Sequence[object]:
    return [getattr(progress, name) for name in progress.__slots__]


@asynccontextmanager
async def open_installation(database_url: str, folder: Path) -> AsyncIterator[Installation]:
    """On an empty database: a clock that stands still, ids that repeat from run to run."""
    clock = FakeClock()
    database = await open_database(database_url, migrate=True, write_pause=0)
    try:
        context = Context(
            database=database,
            clock=clock,
            ids=IdSource(clock.now, random.Random(1).getrandbits),
            master_key=MasterKey(bytes(32)),
            settings=Settings(data_dir=folder),
            push_hosts=PushHosts(),
        )
        site = Site(
            context.ids.next(), "Shop", ("https://shop.example",), "mailto:ops@shop.example",
            Identity.SIGNED, False, clock.now(),
        )  # fmt: skip
        key = seal_key(context, site.id, ApplicationServerKey.generate())

        async def body(tx: Transaction) -> None:
            await sites.add(tx, site)
            await keys.add(tx, key)

        await database.write(body)
        yield Installation(context, clock, site, key)
    finally:
        await database.close()
