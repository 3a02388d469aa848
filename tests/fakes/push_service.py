"""One strict, scriptable push service that plays every provider, told apart by the request's Host.

Made-up browsers subscribe with real keys (`subscribe`) and decrypt what they get. The fakes behind real
browsers (autopush.py, fcm.py) open their endpoints here too (`open_resource`) and forward what is accepted.
"""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

from tests.fakes.certificates import Authority
from tests.fakes.rules import Judge, Push, Reply, Target, apple, fcm, mozilla, plain, wns
from tests.fakes.user_agent import UserAgent, decode, origin_of

_RULES: dict[str, Judge] = {
    "fcm.googleapis.com": fcm.judge,
    "jmt17.google.com": fcm.judge,
    "android.googleapis.com": fcm.judge,
    "updates.push.services.mozilla.com": mozilla.judge,
    "web.push.apple.com": apple.judge,
    "wns2-par02p.notify.windows.com": wns.judge,
}
HOSTS = tuple(_RULES)
_PATHS: dict[Judge, str] = {
    fcm.judge: "/fcm/send/",
    mozilla.judge: "/wpush/v2/",
    apple.judge: "/",
    wns.judge: "/w/?token=",
}


Receive = Callable[[Push, str], None]
"""What becomes of an accepted request; the text is the message's id, unique."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request and what it was answered, in order of arrival."""

    push: Push
    reply: Reply
    at: float  # time.monotonic(), seconds


@dataclass(slots=True)
class Resource(Target):
    """A push resource (RFC 8030 section 2): what is POSTed to one endpoint ends here."""

    endpoint: str = ""
    receive: Receive = lambda push, message_id: None
    take_back: Callable[[str], None] = lambda message_id: None  # of a message that was DELETEd
    answers: deque[Reply] = field(default_factory=deque)
    arrivals: list[Arrival] = field(default_factory=list)

    @property
    def accepted(self) -> list[Arrival]:
        return [arrival for arrival in self.arrivals if arrival.reply.status < 300]

    def answer(self, *replies: Reply) -> None:
        """Answer the next requests with these, whatever the rules say; after them the rules hold again."""
        self.answers.extend(replies)


class Subscription(Resource):
    """A resource whose receiver is a made-up browser: it decrypts, and says why when it cannot."""

    __slots__ = ("user_agent",)

    def __init__(self, endpoint: str, application_server_key: bytes | None) -> None:
        super().__init__(origin_of(endpoint), application_server_key, endpoint=endpoint)
        self.user_agent = UserAgent()
        self.receive = lambda push, message_id: self.user_agent.receive(push)

    @property
    def plaintexts(self) -> list[bytes | None]:
        """What was shown to the worker, in order; None for a push without a payload."""
        return self.user_agent.plaintexts

    def to_json(self) -> dict[str, object]:
        """As `PushSubscription.toJSON()` in the browser."""
        keys = {"p256dh": self.user_agent.p256dh, "auth": self.user_agent.auth}
        return {"endpoint": self.endpoint, "expirationTime": None, "keys": keys}


class PushService:
    """HTTPS on loopback, HTTP/1.1. `override` answers before any script and rule; None lets them speak."""

    def __init__(self, authority: Authority, clock: Callable[[], float] = time.time) -> None:
        self.arrivals: list[tuple[Resource | None, Arrival]] = []
        self.override: Callable[[Push, Resource | None], Reply | None] | None = None
        self.in_flight = 0
        self.peak_in_flight = 0
        self.port = 0
        self._clock = clock
        self._certificate = authority.issue("localhost", "127.0.0.1", *HOSTS)
        self._resources: dict[tuple[str, str], Resource] = {}
        self._messages: dict[tuple[str, str], tuple[Resource, str]] = {}  # by address: whose, and its id
        self._runner: web.AppRunner | None = None

    @property
    def origin(self) -> str:
        """Where plain subscriptions live; the gateway needs GATEWAY_PUSH_HOSTS=localhost:PORT for it."""
        return f"https://localhost:{self.port}"

    async def start(self) -> None:
        app = web.Application(client_max_size=1 << 20)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(
            self._runner, "127.0.0.1", self.port, ssl_context=self._certificate.server_context()
        )
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def subscribe(self, host: str | None = None, application_server_key: str | None = None) -> Subscription:
        """A new browser's subscription at a provider of HOSTS, or at this service's own address.

        The key is base64url as in `GET /v1/public/{site}`; without one every valid JWT is let in.
        """
        key = None if application_server_key is None else decode(application_server_key)
        subscription = Subscription(self._new_endpoint(host), key)
        self._resources[_address(subscription.endpoint)] = subscription
        return subscription

    def open_resource(
        self, host: str, application_server_key: bytes | None, receive: Receive, path: str = ""
    ) -> Resource:
        """An endpoint whose accepted requests go to `receive`; `path` replaces the provider's usual one."""
        endpoint = f"https://{host}{path}" if path else self._new_endpoint(host)
        resource = Resource(origin_of(endpoint), application_server_key, endpoint=endpoint, receive=receive)
        self._resources[_address(endpoint)] = resource
        return resource

    def _new_endpoint(self, host: str | None) -> str:
        token = secrets.token_urlsafe(48)
        if host is None:
            return f"{self.origin}/push/{token}"
        return f"https://{host}{_PATHS[_RULES[host]]}{token}"

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        try:
            return await self._answer(request)
        finally:
            self.in_flight -= 1

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        push = Push(request.method, request.headers, await request.read())
        address = (request.host.removesuffix(":443"), request.raw_path)
        if address in self._messages:
            return self._answer_deletion(push, *self._messages[address], request.host)
        resource = self._resources.get(address)
        reply = self._decide(push, resource, request.host)
        arrival = Arrival(push, reply, time.monotonic())
        self.arrivals.append((resource, arrival))
        message_id = secrets.token_urlsafe(12)
        if resource is not None:
            resource.arrivals.append(arrival)
            if reply.status < 300 and not reply.hang_up:
                resource.receive(push, message_id)
        if reply.delay:
            await asyncio.sleep(reply.delay)
        if reply.hang_up and request.transport is not None:
            request.transport.abort()
        location = {}
        if reply.status == 201 and resource is not None:
            location = {"Location": f"https://{request.host}/m/{message_id}"}
            self._messages[_address(location["Location"])] = (resource, message_id)
        return web.Response(status=reply.status, body=reply.body, headers={**location, **reply.headers})

    def _answer_deletion(self, push: Push, resource: Resource, message_id: str, host: str) -> web.Response:
        """Of a message that was accepted, whether or not it was delivered: autopush does not look."""
        deletes = push.method == "DELETE" and _RULES.get(host.removesuffix(":443")) is mozilla.judge
        reply = Reply(204) if deletes else self._decide(push, None, host)
        self.arrivals.append((resource, Arrival(push, reply, time.monotonic())))
        if reply.status < 300:
            resource.take_back(message_id)
        return web.Response(status=reply.status, body=reply.body, headers=reply.headers)

    def _decide(self, push: Push, resource: Resource | None, host: str) -> Reply:
        if self.override is not None and (reply := self.override(push, resource)) is not None:
            return reply
        if resource is not None and resource.answers:
            return resource.answers.popleft()
        judge = _RULES.get(host.removesuffix(":443"), plain.judge)
        return judge(push, resource, int(self._clock()))


def _address(endpoint: str) -> tuple[str, str]:
    """(Host header, request target) of the requests that are meant for an endpoint."""
    host, slash, path = endpoint.removeprefix("https://").partition("/")
    return host, slash + path
