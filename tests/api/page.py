"""A page of a site in somebody's browser, as far as the gateway sees it."""

import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientResponse

from tests.api.conftest import Api
from tests.fakes.user_agent import UserAgent

ORIGIN = "https://example.com"


def push_subscription(agent: UserAgent | None = None, endpoint: str | None = None) -> dict[str, Any]:
    """What `PushSubscription.toJSON()` returns; a fresh one unless told otherwise."""
    agent = agent or UserAgent()
    return {
        "endpoint": endpoint or f"https://fcm.googleapis.com/fcm/send/{secrets.token_urlsafe(24)}",
        "expirationTime": None,
        "keys": {"p256dh": agent.p256dh, "auth": agent.auth},
    }


@dataclass
class Page:
    api: Api  # without a token of its own
    site: str
    origin: str | None = ORIGIN
    sent: dict[str, str] = field(default_factory=dict)  # headers of every request

    async def call(
        self, method: str, path: str, status: int, body: Any = None, token: str | None = None
    ) -> ClientResponse:
        """As the SDK calls: text/plain, so that there is no preflight."""
        headers = dict(self.sent) | ({} if self.origin is None else {"Origin": self.origin})
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if body is None:
            return await self.api.call(method, path, status, headers=headers)
        headers["Content-Type"] = "text/plain;charset=UTF-8"
        data = body if isinstance(body, bytes | str) else json.dumps(body)
        return await self.api.call(method, path, status, headers=headers, data=data)

    @property
    def subscriptions(self) -> str:
        return f"/v1/public/{self.site}/subscriptions"

    async def subscribe(
        self, subscription: dict[str, Any] | None = None, status: int = 201, **more: Any
    ) -> dict[str, Any]:
        """The answer's JSON."""
        body = {"subscription": subscription or push_subscription(), **more}
        response = await self.call("POST", self.subscriptions, status, body)
        answer: dict[str, Any] = await response.json(content_type=None)
        return answer

    async def report(self, events: Any, status: int = 204) -> ClientResponse:
        return await self.call("POST", "/v1/public/events", status, events)
