"""Requests at a fixed pace, whatever the answers take, and how long each took.

An open loop: a slow answer does not put off the next request, so that no wait hides from the percentiles.
"""

import asyncio
import datetime
import random
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import aiohttp

from gateway.master_key import MasterKey
from gateway.tokens import EVENT_TOKENS, issue_event_token
from gateway.webpush.keys import encode_base64url
from loadtest.audience import MASTER_KEY, Browser
from loadtest.filling import FilledSite
from loadtest.gateway_process import ADMIN_TOKEN
from storage.ids import Kind, encode_id


def percentile(times: Sequence[float], share: float) -> float:
    """The time that `share` of all took at most; NaN without any."""
    if not times:
        return float("nan")
    return sorted(times)[min(len(times) - 1, int(len(times) * share))]


@dataclass(slots=True)
class Times:
    """Milliseconds, and what went wrong."""

    taken: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Sent:
    """A message as the gateway answered when it accepted it."""

    site: FilledSite
    message: Any


def moment(text: str) -> float:
    """Seconds since the epoch of a time in an answer."""
    return datetime.datetime.fromisoformat(text).timestamp()


class Client:
    """The gateway's HTTP API as back ends and browsers use it."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def admin(self, method: str, path: str, body: object = None) -> Any:
        """The JSON of a successful answer; RuntimeError with any other."""
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        async with self._session.request(method, path, json=body, headers=headers) as answer:
            if not answer.ok:
                raise RuntimeError(f"{method} {path}: {answer.status} {await answer.text()}")
            return await answer.json()

    async def send(self, site: FilledSite, audience: object, topic: str | None = None) -> Any:
        body = {
            "notification": {"title": "Everything must go", "body": "The winter sale ends at midnight."},
            "options": {"ttl": 86_400, **({"topic": topic} if topic else {})},
            "audience": audience,
        }
        return await self.admin("POST", f"{site.path}/messages", body)

    async def public(self, path: str, site: FilledSite, body: object, expected: int) -> None:
        """A browser's request, from an address of its own; RuntimeError with another answer."""
        octets = random.randbytes(3)
        headers = {"Origin": site.origin, "X-Forwarded-For": f"10.{octets[0]}.{octets[1]}.{octets[2]}"}
        async with self._session.post(path, json=body, headers=headers) as answer:
            if answer.status != expected:
                raise RuntimeError(f"{path}: {answer.status} {await answer.text()}")


class Probes:
    """Three kinds of requests beside a blast. `sent` are the messages, by their Topic."""

    def __init__(self, client: Client, sites: Sequence[FilledSite], url: str, browsers: Sequence[Browser]):
        self.send = Times()
        self.subscribe = Times()
        self.report = Times()
        self.sent: dict[str, Sent] = {}
        self._client = client
        self._sites = sites
        self._url = url
        self._browsers = browsers
        self._numbers = count()
        self._event_key = MasterKey(MASTER_KEY).derive(EVENT_TOKENS, sites[0].id)

    async def run(self, seconds: float, *, message_id: int | None, sends: float, events: float) -> None:
        """`sends` a second to one visitor, as many subscribe, `events` a second report; for `seconds`.

        The reports are of displays of the message `message_id` of the first site; without it there are none.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pace(seconds, sends, self.send, self._send))
            tasks.create_task(self._pace(seconds, sends, self.subscribe, self._subscribe))
            if message_id is not None:
                reporting = lambda: self._report(message_id)  # noqa: E731
                tasks.create_task(self._pace(seconds, events, self.report, reporting))

    async def _pace(
        self, seconds: float, a_second: float, times: Times, call: Callable[[], Awaitable[None]]
    ) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        async with asyncio.TaskGroup() as tasks:
            for number in range(int(seconds * a_second)):
                due = start + number / a_second
                await asyncio.sleep(max(0.0, due - loop.time()))
                tasks.create_task(self._timed(due, times, call))

    async def _timed(self, due: float, times: Times, call: Callable[[], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        try:
            await call()
        except (RuntimeError, aiohttp.ClientError, TimeoutError) as exc:
            times.errors.append(str(exc) or type(exc).__name__)
        else:
            times.taken.append((loop.time() - due) * 1000)

    async def _send(self) -> None:
        site, topic = random.choice(self._sites), secrets.token_hex(12)
        one = encode_id(Kind.SUBSCRIPTION, random.choice(site.subscriptions))
        self.sent[topic] = Sent(site, await self._client.send(site, {"subscriptions": [one]}, topic))

    async def _subscribe(self) -> None:
        browser, site = random.choice(self._browsers), random.choice(self._sites)
        keys = {"p256dh": encode_base64url(browser.p256dh), "auth": encode_base64url(browser.auth)}
        endpoint = f"{self._url}/wp/new-{secrets.token_hex(16)}"
        body = {"subscription": {"endpoint": endpoint, "keys": keys}}
        await self._client.public(f"/v1/public/{site.text_id}/subscriptions", site, body, 201)

    async def _report(self, message_id: int) -> None:
        site = self._sites[0]
        subscription_id = site.subscriptions[next(self._numbers) % len(site.subscriptions)]
        now = datetime.datetime.now(datetime.UTC).timestamp()
        token = issue_event_token(self._event_key, site.id, message_id, subscription_id, 0, int(now * 1000))
        await self._client.public("/v1/public/events", site, {"token": token, "kind": "displayed"}, 204)
