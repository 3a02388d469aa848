"""What an admin has laid up: pictures, a webhook that was tested, an automation that runs, a visitor."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.e2e.gateway_process import Gateway
from tests.e2e.seed import ORIGIN, Seeded
from tests.eventually import eventually
from tests.pictures import landscape, logo

CART = {
    "name": "Cart left behind",
    "trigger": {"on": "event", "event": "cart"},
    "cancel_on": ["purchase"],
    "steps": [
        {
            "after": 0,
            "notification": {"title": "Still interested?", "body": "It waits for you.", "url": ORIGIN},
        },
        {"after": 86_400, "notification": {"title": "Your cart, and free delivery", "url": f"{ORIGIN}/cart"}},
    ],
}


@dataclass
class Receiver:
    """A back end that is told by a webhook; `status` is what it answers."""

    url: str
    status: int = 204
    received: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Library:
    """Ids as the API writes them."""

    visitor: str
    automation: str
    template: str
    webhook: str
    receiver: Receiver

    def addresses(self) -> dict[str, str]:
        """Of the screens, by the names of their pictures."""
        shop = "#/s/{shop}"
        return {
            "subscribers": f"{shop}/subscribers?tag=reader",
            "subscriber": f"{shop}/subscribers/{self.visitor}",
            "automations": f"{shop}/automations",
            "automation": f"{shop}/automations/{self.automation}",
            "templates": f"{shop}/templates",
            "template": f"{shop}/templates/{self.template}",
            "categories": f"{shop}/categories",
            "images": f"{shop}/images",
            "webhooks": f"{shop}/webhooks",
            "webhook": f"{shop}/webhooks/{self.webhook}",
            "transfer": f"{shop}/transfer",
        }


@asynccontextmanager
async def receiver(port: int) -> AsyncIterator[Receiver]:
    """On loopback, which GATEWAY_OUTBOUND_PRIVATE has to name."""
    told = Receiver(f"http://127.0.0.1:{port}/hook")

    async def take(request: web.Request) -> web.Response:
        told.received.append(await request.json())
        return web.Response(status=told.status)

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield told
    await runner.cleanup()


async def lay_up(gateway: Gateway, seeded: Seeded, told: Receiver) -> Library:
    """Over the API, as an admin's programs would."""
    path = f"/v1/sites/{seeded.shop}"
    for purpose, picture, kind in (
        ("image", landscape(2400, 1600), "jpeg"),
        ("icon", landscape(900, 900), "jpeg"),
        ("icon", logo(512, 512), "png"),
        ("badge", logo(512, 512), "png"),
    ):
        await gateway.call(
            "POST",
            f"{path}/images?purpose={purpose}",
            data=picture,
            headers={"Content-Type": f"image/{kind}"},
        )
    webhook = await gateway.post(
        f"{path}/webhooks",
        {"url": told.url, "description": "CRM", "events": ["subscription.ended", "message.sent"]},
    )
    automation = await gateway.post(f"{path}/automations", CART)
    [visitor, *_] = (await gateway.get(f"{path}/subscriptions?state=active&tag=reader&limit=9"))["items"]
    changes = {"add_tags": ["vip", "trail running"], "attributes": {"orders": 7, "newsletter": True}}
    await gateway.call("PATCH", f"{path}/subscriptions/{visitor['id']}", json=changes)
    await gateway.post(f"{path}/webhooks/{webhook['id']}/test", {})

    async def carts_count() -> bool:
        """Processes hear of an automation within seconds."""
        await gateway.post(f"{path}/events", {"external_id": visitor["external_id"], "name": "cart"})
        shown = await gateway.get(f"{path}/automations/{automation['id']}")
        return bool(shown["steps"][0]["progress"]["accepted"])

    await eventually(carts_count, within=20, every=0.5)
    template = (await gateway.get(f"{path}/templates"))["items"][0]["id"]
    return Library(visitor["id"], automation["id"], template, webhook["id"], told)
