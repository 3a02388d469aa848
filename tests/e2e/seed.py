"""Two sites and a month of their life, for tests and pictures of the dashboard.

The gateway's own code lives through it in this process, on a clock that is moved: imports, messages of all
states, a sender whose push services answer at once, and events as workers report them. What the dashboard
shows is therefore what the gateway would have stored, whatever its tables are.
"""

import asyncio
import json
import random
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from gateway.access import ensure_admin_token
from gateway.api.server import build_application
from gateway.context import Context
from gateway.ingest import MAX_REPORTS
from gateway.master_key import load_master_key
from gateway.metrics import Metrics
from gateway.scheduler.finisher import Finisher
from gateway.scheduler.freezer import Freezer
from gateway.scheduler.starter import Starter
from gateway.settings import Settings
from gateway.tokens import EVENT_TOKENS, SUBSCRIPTION_TOKENS, issue_event_token, issue_subscription_token
from gateway.webpush import PushHosts, PushRequest, Reply
from storage import alerts, keys, sites
from storage.alerts import Alert
from storage.database import Transaction
from storage.ids import IdSource, Kind, decode_id, encode_id
from storage.opening import open_database
from storage.queries import Query
from tests.eventually import eventually
from tests.fakes.clock import FakeClock
from tests.fakes.transport import FakeTransport
from tests.fakes.user_agent import UserAgent
from tests.unit.installation import ENDPOINTS, Installation
from tests.unit.sending import sender

DAYS: Final = 30
DAY: Final = 86_400_000
SUBSCRIPTIONS: Final = 2_000
ORIGIN: Final = "https://shop.example.com"

_IDS = Query("seed.ids", *["select endpoint, id from subscriptions where site_id = ?1"] * 2)
_DUE = Query("seed.due", *["select count(*) from batches where due_at <= ?1"] * 2)
_OLD = UserAgent()  # one pair of keys for all, to save time

# In per cent, with provider and platform.
_BROWSERS = (
    (46, "fcm", "chrome", "android"),
    (18, "fcm", "chrome", "windows"),
    (5, "fcm", "samsung", "android"),
    (3, "fcm", "opera", "windows"),
    (11, "mozilla", "firefox", "windows"),
    (8, "wns", "edge", "windows"),
    (9, "apple", "safari", "ios"),
)
# In per cent.
_PLACES = (
    (52, "DE", "Europe/Berlin", "de-DE"),
    (13, "AT", "Europe/Vienna", "de-AT"),
    (10, "CH", "Europe/Zurich", "de-CH"),
    (9, "FR", "Europe/Paris", "fr-FR"),
    (8, "GB", "Europe/London", "en-GB"),
    (8, "US", "America/New_York", "en-US"),
)
_NEWS = (
    ("Back in stock: the trail jacket", "All sizes, in all three colours."),
    ("New in: autumn boots", "Waterproof, and soft from the first step."),
    ("Your size is here again", "The wool sweater that you liked."),
    ("Free delivery until Sunday", "On everything, from the first euro."),
    ("Last pairs: summer sandals", "Half price while they last."),
    ("Five walks for a wet weekend", "Chosen by our shop team."),
)


@dataclass
class Seeded:
    """Ids as the API writes them; messages by what they are."""

    shop: str
    magazine: str
    messages: dict[str, str] = field(default_factory=dict)


async def seed(settings: Settings, now: int) -> Seeded:
    """Fill the database of a gateway that is not running; the month ends at `now`."""
    clock = FakeClock(now - now % DAY - DAYS * DAY)
    settings.data_dir.mkdir(parents=True)
    # Without the pause in which writers gather: here one writes after the other.
    database = await open_database(settings.database_url, migrate=True, write_pause=0)
    try:
        context = Context(
            database=database,
            clock=clock,
            ids=IdSource(clock.now, secrets.randbits),
            master_key=load_master_key(None, settings.data_dir),
            settings=settings,
            push_hosts=PushHosts(),
        )
        await ensure_admin_token(context)
        server = TestServer(build_application(context), host="127.0.0.1")
        async with TestClient(server) as client:
            month = _Month(context, clock, client, settings.admin_token or "", now)
            return await month.live()
    finally:
        await database.close()


class _Month:
    def __init__(
        self,
        context: Context,
        clock: FakeClock,
        client: TestClient[Request, Application],
        token: str,
        now: int,
    ) -> None:
        self._context = context
        self._clock = clock
        self._client = client
        self._headers = {"Authorization": f"Bearer {token}"}
        self._start = now - now % DAY - DAYS * DAY
        self._end = now
        self._random = random.Random(5)  # the same month each time
        self._count = 0
        self._answered = 0
        self._gone: set[str] = set()
        self._posted: list[PushRequest] = []

    async def live(self) -> Seeded:
        """The shop's month, then the small site's."""
        shop = await self._call("POST", "/v1/sites", _SHOP)
        magazine = await self._call("POST", "/v1/sites", _MAGAZINE)
        seeded = Seeded(shop["id"], magazine["id"])
        await self._settings(seeded)
        await self._import(seeded.shop, SUBSCRIPTIONS * 6 // 10)
        await self._import(seeded.magazine, 60)
        each_day = (SUBSCRIPTIONS * 4 // 10 - 60) // DAYS
        for day in range(DAYS):
            self._to(day * DAY + 9 * 3_600_000)
            await self._import(seeded.shop, each_day + self._random.randrange(-6, 7))
            await self._news(seeded, day)
            await self._leave(seeded.shop, self._random.randrange(1, 5))
        await self._today(seeded)
        return seeded

    async def _settings(self, seeded: Seeded) -> None:
        path = f"/v1/sites/{seeded.shop}"
        rules = {
            "timezone": "Europe/Berlin",
            "quiet_hours": {"from": "22:00", "to": "08:00", "zone": "visitor"},
            "frequency_cap": {"messages": 8, "hours": 24},
            "utm": {"source": "push", "medium": "web-push"},
        }
        await self._call("PATCH", path, {"settings": rules})
        await self._call("POST", f"{path}/categories", {"name": "offers", "title": "Offers of the week"})
        await self._call("POST", f"{path}/categories", {"name": "stock", "title": "Back in stock"})
        readers = {"name": "Readers", "where": {"any": [{"tag": "reader"}, {"clicked": {"within": "7d"}}]}}
        await self._call("POST", f"{path}/segments", readers)
        abroad = {
            "name": "Germany, on a phone",
            "where": {"all": [{"country": "DE"}, {"platform": "android"}]},
        }
        await self._call("POST", f"{path}/segments", abroad)
        template = {
            "name": "Back in stock",
            "notification": {"title": "Back in stock: {{ variables.product }}", "url": f"{ORIGIN}/new"},
        }
        await self._call("POST", f"{path}/templates", template)
        welcome = {
            "name": "Welcome",
            "trigger": {"on": "subscribe"},
            "steps": [{"after": 3600, "notification": {"title": "Welcome to Northwind", "url": ORIGIN}}],
        }
        await self._call("POST", f"{path}/automations", welcome)
        for name, scopes in (("Shop back end", ["send"]), ("Reports", ["read"])):
            await self._call("POST", f"{path}/tokens", {"name": name, "scopes": scopes})

    async def _news(self, seeded: Seeded, day: int) -> None:
        """To readers on most days, to everybody once in ten; what came of it within the next hours."""
        title, body = _NEWS[day % len(_NEWS)]
        everybody = day % 10 == 4
        made = await self._send(
            seeded.shop,
            {
                "notification": {"title": title, "body": body, "url": f"{ORIGIN}/news/{day}"},
                "quiet_hours": "override",
                "audience": {"all": True} if everybody else {"where": {"tag": "reader"}},
            },
        )
        await self._settle(seeded.shop)
        await self._report(seeded.shop, made, display=0.62 - 0.002 * day, click=0.07)
        seeded.messages["everybody" if everybody else "sent"] = made
        if day % 6 == 2:
            made = await self._send(
                seeded.magazine, {"notification": {"title": f"Issue {day}"}, "audience": {"all": True}}
            )
            await self._settle(seeded.magazine)
            await self._report(seeded.magazine, made, display=0.5, click=0.12)

    async def _today(self, seeded: Seeded) -> None:
        """One message of each state."""
        self._clock.set_now(self._end - 3 * 3_600_000)
        shop, named = seeded.shop, seeded.messages
        later = _moment(self._end + 26 * 3_600_000)
        everybody = {"audience": {"all": True}}
        named["draft"] = await self._send(
            shop, {"notification": _note("Black Friday: early access"), **everybody, "draft": True}
        )
        named["scheduled"] = await self._send(
            shop,
            {"notification": _note("The sale begins"), **everybody, "send_at": later, "category": "offers"},
        )
        named["recurring"] = await self._send(
            shop,
            {
                "notification": _note("The week in our shop"),
                "audience": {"where": {"tag": "reader"}},
                "recurrence": {"cron": "0 18 * * SUN", "timezone": "Europe/Berlin"},
            },
        )
        named["cancelled"] = await self._send(
            shop, {"notification": _note("Wrong price, sorry"), **everybody, "send_at": later}
        )
        await self._call("POST", f"/v1/sites/{shop}/messages/{named['cancelled']}/cancel", None)
        named["variants"] = await self._send(shop, _VARIANTS)
        await self._settle(shop)
        await self._report(shop, named["variants"], display=0.6, click=0.09, exact=True)
        self._clock.set_now(self._end - 40 * 60_000)
        named["expired"] = await self._send(
            shop,
            {
                "notification": _note("Only this minute"),
                **everybody,
                "send_at": _moment(self._end - 30 * 60_000),
                "expires_at": _moment(self._end - 29 * 60_000),
            },
        )
        self._clock.set_now(self._end - 20 * 60_000)
        await self._settle(shop)
        named["paused"] = await self._send(
            shop, {"notification": _note("New opening hours"), **everybody, "rate": 400} | _NOW
        )
        await self._settle(shop, all_of_it=False)
        await self._call("POST", f"/v1/sites/{shop}/messages/{named['paused']}/pause", None)
        self._clock.set_now(self._end)
        await self._alerts(shop)

    async def _alerts(self, site: str) -> None:
        """Two that are raised and one that has ended, as the gateway's own watch words them."""
        site_id, now, next_id = decode_id(Kind.SITE, site), self._end, self._context.ids.next
        look_at = (
            "Whether all of this site fell: then look at its worker file (Site settings, Check my site).",
            "Whether the push service reports trouble.",
            "Whether a new version of the browser shows less.",
        )
        raised = [
            Alert(
                next_id(), site_id, name, provider, severity, value, low, high, said, look_at, now - 1_800_000
            )
            for name, provider, severity, value, low, high, said in (
                ("display_rate", "apple", "critical", 0.21, 0.48, 0.66, "Apple's browsers display far less."),
                ("click_rate", "wns", "warning", 0.012, 0.03, 0.08, "Edge's users click less than usual."),
                ("failure_rate", "fcm", "warning", 0.08, None, 0.02, "Google's push service refuses more."),
            )
        ]

        async def body(tx: Transaction) -> None:
            for each in raised:
                await alerts.add(tx, each)
            await alerts.end(tx, raised[-1].id, now - 600_000)

        await self._context.database.write(body)

    async def _send(self, site: str, message: dict[str, Any]) -> str:
        return str((await self._call("POST", f"/v1/sites/{site}/messages", message))["id"])

    async def _settle(self, site: str, *, all_of_it: bool = True) -> None:
        """What a scheduler and a sender do now; not `all_of_it`: until some of it is posted."""
        installation = await self._installation(site)
        metrics = Metrics()
        transport = FakeTransport(self._reply)
        async with sender(installation, transport):
            for job in (Starter(self._context, metrics), Freezer(self._context, metrics)):
                while await job.step():
                    pass
            if all_of_it:
                await eventually(self._nobody_is_due, within=20)
            else:
                await eventually(self._some_of_it(transport), within=20)
        finisher = Finisher(self._context, "scheduler", metrics)
        while await finisher.step():
            pass
        self._posted = transport.posted
        self._gone |= {each.url for each in transport.posted if self._is_gone(each.url)}

    def _reply(self, request: PushRequest) -> Reply:
        self._answered += 1
        if self._is_gone(request.url):
            return Reply(410)
        return Reply(413) if self._answered % 400 == 399 else Reply(201)

    def _is_gone(self, endpoint: str) -> bool:
        """Some leave every day without a word."""
        return hash_of(endpoint) % 4000 < 6 + 2 * ((self._clock.now() - self._start) // DAY)

    async def _nobody_is_due(self) -> bool:
        now = self._clock.now()
        [(due,)] = await self._context.database.read(lambda tx: tx.fetch(_DUE, now))
        return bool(due == 0)

    async def _report(
        self, site: str, message: str, display: float, click: float, *, exact: bool = False
    ) -> None:
        """What browsers say of those that were posted last, over the four hours that follow.

        `exact`: with the tokens that were pushed, which know the variant; to make one is quicker.
        """
        site_id, message_id = decode_id(Kind.SITE, site), decode_id(Kind.MESSAGE, message)
        sent_at = self._clock.now()
        rows = await self._context.database.read(lambda tx: tx.fetch(_IDS, site_id))
        ids: dict[str, int] = {endpoint: id for endpoint, id in rows}  # noqa: C416 - a row is no pair to mypy
        key = self._context.master_key.derive(EVENT_TOKENS, site_id)
        self._clock.advance(4 * 3_600)
        events = []
        for request in self._posted:
            id = ids.get(request.url)
            if id is None or request.url in self._gone or self._random.random() > display:
                continue
            if exact:
                token = str(json.loads(_OLD.decrypt(request.body))["t"])
            else:
                token = issue_event_token(key, site_id, message_id, id, 0, sent_at)
            age = 4 * 3_600 - min(4 * 3_600, self._random.expovariate(1 / 3_000))
            events.append({"token": token, "kind": "displayed", "age": age})
            chance = self._random.random()
            if chance < click:
                events.append({"token": token, "kind": "clicked", "age": max(0, age - 120)})
            elif chance < 0.3:
                events.append({"token": token, "kind": "closed", "age": max(0, age - 60)})
        parts = [events[start : start + MAX_REPORTS] for start in range(0, len(events), MAX_REPORTS)]
        await asyncio.gather(*(self._call("POST", "/v1/public/events", part) for part in parts))

    async def _leave(self, site: str, count: int) -> None:
        """Some visitors want no more."""
        site_id = decode_id(Kind.SITE, site)
        ids = [id for _, id in await self._context.database.read(lambda tx: tx.fetch(_IDS, site_id))]
        key = self._context.master_key.derive(SUBSCRIPTION_TOKENS, site_id)
        for id in self._random.sample(ids, count):
            token = issue_subscription_token(key, site_id, id)
            headers = {"Authorization": f"Bearer {token}", "Origin": ORIGIN}
            path = f"/v1/public/{site}/subscriptions/{encode_id(Kind.SUBSCRIPTION, id)}"
            await self._call("DELETE", path, None, headers)

    async def _import(self, site: str, count: int) -> None:
        lines = "\n".join(json.dumps(each) for each in self._subscriptions(count))
        headers = self._headers | {"Content-Type": "application/x-ndjson"}
        path = f"/v1/sites/{site}/subscriptions/import"
        async with self._client.post(path, data=lines, headers=headers) as response:
            assert response.ok, await response.text()

    def _subscriptions(self, count: int) -> Iterator[dict[str, Any]]:
        for _ in range(count):
            self._count += 1
            [(_, provider, browser, platform)] = self._random.choices(
                _BROWSERS, [row[0] for row in _BROWSERS]
            )
            [(_, country, timezone, language)] = self._random.choices(_PLACES, [row[0] for row in _PLACES])
            yield {
                "endpoint": ENDPOINTS[provider].format(f"seed-{self._count}-{hash_of(str(self._count)):08x}"),
                "keys": {"p256dh": _OLD.p256dh, "auth": _OLD.auth},
                "external_id": f"customer-{self._count}",
                "tags": ["reader"] if self._count % 7 == 0 else [],
                "attributes": {"first_name": self._random.choice(["Anna", "Ben", "Cora", "David", "Emma"])},
                "browser": browser,
                "platform": platform,
                "country": country,
                "timezone": timezone,
                "language": language,
            }

    async def _installation(self, site: str) -> Installation:
        id = decode_id(Kind.SITE, site)

        async def body(tx: Transaction) -> Installation:
            [key] = await keys.of_site(tx, id)
            return Installation(self._context, self._clock, await sites.get(tx, id), key)

        return await self._context.database.read(body)

    def _some_of_it(self, transport: FakeTransport) -> Callable[[], bool]:
        """A message with a rate waits for its time, which passes here."""

        def look() -> bool:
            self._clock.advance(0.1)
            return len(transport.posted) >= 600

        return look

    def _to(self, after_start: int) -> None:
        self._clock.set_now(max(self._start + after_start, self._clock.now()))

    async def _call(self, method: str, path: str, body: Any, headers: dict[str, str] | None = None) -> Any:
        options = {} if body is None else {"json": body}
        headers = self._headers if headers is None else headers
        async with self._client.request(method, path, headers=headers, **options) as response:
            text = await response.text()
            assert response.ok, f"{method} {path}: {response.status} {text}"
            return json.loads(text) if text else None


def hash_of(text: str) -> int:
    """The same in each process, unlike `hash`."""
    return int.from_bytes(random.Random(text).randbytes(4), "big")


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at / 1_000, UTC).isoformat()


def _note(title: str) -> dict[str, str]:
    return {"title": title, "body": "Northwind, outdoor wear since 1974.", "url": ORIGIN}


_SHOP = {
    "name": "Northwind",
    "origins": [ORIGIN, "https://www.northwind.example"],
    "contact": "mailto:ops@example.com",
}
_MAGAZINE = {
    "name": "The Long Walk",
    "origins": ["https://walk.example.com"],
    "contact": "mailto:desk@example.com",
}
_NOW = {"quiet_hours": "override"}
_VARIANTS = {
    "notification": _note("Winter sale"),
    "audience": {"where": {"country": "AT"}},
    "quiet_hours": "override",
    "variants": {
        "options": [
            {"name": "A", "weight": 50},
            {"name": "B", "weight": 50, "notification": {"title": "Winter sale: up to half price"}},
        ]
    },
}


def settings_of(data_dir: Path, token: str) -> Settings:
    """Of the gateway that is going to run on `data_dir`."""
    return Settings(data_dir=data_dir, public_url="http://127.0.0.1", admin_token=token, senders=0)
