"""The demo site: a browser that subscribed there may send itself one fixed text, and see how it fares.

No text, audience or URL of a stranger's choosing: what is sent is written here, to the sender's own screen.
"""

from math import ceil
from typing import Final

from gateway.audience import AudienceSpec, read_audience, write_audience
from gateway.clock import Clock
from gateway.content import Content, Notification, Options, write_content
from gateway.context import Context
from gateway.errors import NotFound, TooManyRequests
from gateway.subscriptions import existing
from storage import messages, sites
from storage.batches import TRANSACTIONAL
from storage.database import Transaction
from storage.ids import Kind, encode_id
from storage.messages import Message, Priority, Progress, Results
from storage.sites import Site

PER_MINUTE: Final = 6

_MINUTE = 60.0
_TTL: Final = 300  # seconds; a demo that arrives tomorrow puzzles


class DemoLimit:
    """Six sends a minute for each subscription: a demo in public must not use up a push service."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sent: dict[int, list[float]] = {}

    def take(self, subscription_id: int) -> None:
        """TooManyRequests until the first of the last six is a minute old."""
        now = self._clock.monotonic()
        self._sent = {id: times for id, times in self._sent.items() if times[-1] > now - _MINUTE}
        last = [at for at in self._sent.get(subscription_id, ()) if at > now - _MINUTE]
        if len(last) >= PER_MINUTE:
            wait = ceil(last[0] + _MINUTE - now)
            raise TooManyRequests(f"The demo sends {PER_MINUTE} a minute.", retry_after=max(1, wait))
        self._sent[subscription_id] = [*last, now]


async def demo_site(context: Context) -> Site:
    """NotFound when there is none: `make run` makes it, a gateway in earnest has no demo."""

    async def body(tx: Transaction) -> Site | None:
        return await sites.find_demo(tx)

    site = await context.database.read(body)
    if site is None:
        raise NotFound("This gateway has no demo.")
    return site


async def send_demo(context: Context, site: Site, subscription_id: int) -> str:
    """The id of the message, stored and on its way. NotFound: no such subscription."""
    now = context.clock.now()
    id = context.ids.next()
    content = Content(_notification(context.settings.public_url), Options(ttl=_TTL))
    message = Message(
        id=id,
        site_id=site.id,
        priority=Priority.TRANSACTIONAL,
        lane=TRANSACTIONAL,
        content=write_content(content),
        audience_spec=write_audience(AudienceSpec(subscriptions=(subscription_id,))),
        ttl=_TTL,
        send_at=now,
        created_at=now,
    )

    async def body(tx: Transaction) -> None:
        await existing(tx, site.id, subscription_id)
        await messages.add(tx, message)

    await context.database.write(body)
    return encode_id(Kind.MESSAGE, id)


async def demo_progress(
    context: Context, site: Site, subscription_id: int, message_id: int
) -> tuple[Progress, Results]:
    """How a message fares that this very subscription sent itself; NotFound for all others."""

    async def body(tx: Transaction) -> tuple[Message, tuple[Progress | None, Results]]:
        message = await messages.get(tx, site.id, message_id)
        return message, (await messages.progress_of(tx, [message_id]))[message_id]

    message, (progress, results) = await context.database.read(body)
    if read_audience(message.audience_spec).subscriptions != (subscription_id,):
        raise NotFound
    return progress or Progress(audience=1, remaining=1), results


def _notification(public_url: str) -> Notification:
    return Notification(
        title="It works",
        body="Sent by your own gateway, encrypted for this browser alone. Click me: that is counted too.",
        url=f"{public_url}/demo/",
        icon=f"{public_url}/demo/icon-192.png",
    )
