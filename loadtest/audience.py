"""A gateway's database filled for a benchmark: one site, many subscribers, one message to all of them."""

import os
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.audience import AudienceSpec, write_audience
from gateway.campaigns.expressions import Expression, Happened
from gateway.clock import SystemClock
from gateway.content import Content, Notification, Options, write_content
from gateway.context import Context
from gateway.keys import seal_key
from gateway.master_key import MasterKey
from gateway.metrics import Metrics
from gateway.scheduler.freezer import Freezer
from gateway.scheduler.starter import Starter
from gateway.settings import Settings
from gateway.webpush import ApplicationServerKey, PushHosts
from storage import keys, messages, sites, subscriptions
from storage.batches import BULK
from storage.conditions import Op
from storage.database import Transaction
from storage.ids import IdSource
from storage.messages import Message, Priority, Progress
from storage.opening import open_database
from storage.sites import Identity, Site
from storage.subscription import Attribute
from storage.subscriptions import NewSubscription

MASTER_KEY = bytes(32)
PROVIDER = "other"
PAGE = 1_000
# To make a key takes longer than to import a subscriber; encryption does not care when the same comes back.
MOST_BROWSERS = 20_000


@dataclass(frozen=True, slots=True)
class Browser:
    """A subscription's keys: p256dh (65 bytes) and auth (16)."""

    p256dh: bytes
    auth: bytes


def make_browsers(count: int) -> list[Browser]:
    """`count` different ones."""
    points = (ec.generate_private_key(ec.SECP256R1()).public_key() for _ in range(count))
    return [
        Browser(point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint), os.urandom(16))
        for point in points
    ]


@asynccontextmanager
async def open_context(folder: Path, push_hosts: str, database_url: str = "") -> AsyncIterator[Context]:
    """The database at `database_url`, or else the SQLite file in `folder`; made when it is not there."""
    clock = SystemClock()
    database = await open_database(database_url or f"sqlite:///{folder / 'gateway.db'}", migrate=True)
    try:
        yield Context(
            database=database,
            clock=clock,
            ids=IdSource(clock.now, secrets.randbits),
            master_key=MasterKey(MASTER_KEY),
            settings=Settings(data_dir=folder),
            push_hosts=PushHosts.parse(push_hosts),
        )
    finally:
        await database.close()


PLAIN = Notification("Everything must go", body="The winter sale ends tonight at midnight.")
PERSONAL = Notification(
    "Hello {{ attributes.first_name | default: 'there' }}",
    body="The winter sale in {{ attributes.city }} ends tonight at midnight.",
)


SEGMENT = Expression(
    all=(
        Expression(tag="sale"),
        Expression(attribute="plan", op=Op.EQ, value="pro"),
        Expression(not_=Expression(received=Happened(within="1d"))),
    )
)


async def add_audience(
    context: Context,
    url: str,
    count: int,
    notification: Notification = PLAIN,
    where: Expression | None = None,
) -> int:
    """A site with `count` subscribers whose endpoints are under `url`, and a message to all; its id.

    Of each a name and a city are known if the notification asks for them. With SEGMENT as `where` the message
    is for half of twice as many.
    """
    site = Site(
        id=context.ids.next(),
        name="Benchmark",
        origins=("https://bench.example",),
        contact="mailto:ops@bench.example",
        identity=Identity.SIGNED,
        demo=False,
        created_at=context.clock.now(),
    )
    key = seal_key(context, site.id, ApplicationServerKey.generate())
    message = new_message(context, site.id, notification, where)
    attributes = {"first_name": "Ann", "city": "Berlin"} if notification is PERSONAL else {}
    among = 1 if where is None else 2
    if where is not None:
        attributes = {**attributes, "plan": "pro"}

    async def add_site(tx: Transaction) -> None:
        await sites.add(tx, site)
        await keys.add(tx, key)

    await context.database.write(add_site)
    browsers = make_browsers(min(count, MOST_BROWSERS))
    for start in range(0, among * count, PAGE):
        page = [
            (
                context.ids.next(),
                _subscription(
                    context,
                    f"{url}/wp/{number:024x}",
                    browser,
                    key.id,
                    attributes,
                    () if where is None else ("sale", "news") if number % 2 else ("news",),
                ),
            )
            for number in range(start, min(start + PAGE, among * count))
            for browser in (browsers[number % len(browsers)],)
        ]
        now = context.clock.now()
        await context.database.write(
            lambda tx, page=page, now=now: subscriptions.add_many(tx, site.id, page, now)  # type: ignore[misc]
        )
    await context.database.write(lambda tx: messages.add(tx, message))
    return message.id


async def freeze(context: Context) -> None:
    """Start what is due and put everybody into batches."""
    await Starter(context, Metrics()).step()
    freezer = Freezer(context, Metrics())
    while await freezer.step():
        pass


async def progress_of(context: Context, message_id: int) -> Progress:
    progress, _ = (await context.database.read(lambda tx: messages.progress_of(tx, [message_id])))[message_id]
    if progress is None:
        raise RuntimeError("the audience is not frozen")
    return progress


def _subscription(
    context: Context,
    endpoint: str,
    browser: Browser,
    key_id: int,
    attributes: Mapping[str, Attribute],
    tags: tuple[str, ...],
) -> NewSubscription:
    return NewSubscription(
        endpoint=endpoint,
        provider=PROVIDER,
        key_id=key_id,
        p256dh=browser.p256dh,
        auth=browser.auth,
        attributes=attributes,
        tags=tags,
        created_at=context.clock.now(),
    )


def new_message(
    context: Context, site_id: int, notification: Notification, where: Expression | None = None
) -> Message:
    """Bulk, to all or to those that `where` finds, due now; not stored."""
    now = context.clock.now()
    return Message(
        id=context.ids.next(),
        site_id=site_id,
        priority=Priority.BULK,
        lane=BULK,
        content=write_content(Content(notification, Options(ttl=86_400))),
        audience_spec=write_audience(AudienceSpec(all=True) if where is None else AudienceSpec(where=where)),
        ttl=86_400,
        send_at=now,
        created_at=now,
    )
