"""The shop's week of docs/campaigns.md: its requests at the times that it states, and what came of them."""

import json
import re
import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pytest

from gateway.context import Context
from gateway.ingest import MAX_REPORTS
from gateway.metrics import Metrics
from gateway.scheduler.finisher import Finisher
from gateway.scheduler.freezer import Freezer
from gateway.scheduler.learner import Learner
from gateway.scheduler.stager import Stager
from gateway.scheduler.starter import Starter
from gateway.scheduler.walker import Walker
from storage import keys, sites
from storage.database import Transaction
from storage.ids import Kind, decode_id
from storage.queries import Query
from tests.api.conftest import Api
from tests.api.page import Page, push_subscription
from tests.eventually import eventually
from tests.fakes.clock import FakeClock
from tests.fakes.transport import FakeTransport
from tests.fakes.user_agent import UserAgent
from tests.unit.installation import Installation
from tests.unit.sending import sender

DOCUMENT = Path(__file__).parents[2] / "docs" / "campaigns.md"
MONDAY = datetime.fromisoformat("2026-11-30T00:00:00Z")
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
OUTCOMES = ("accepted", "gone", "failed", "expired", "skipped", "retrying", "remaining")
DUE = Query("test.due_batches", *["select count(*) from batches where due_at <= ?1"] * 2)
A, B = "Sale", "Three days, 30 % off"  # the titles of the sale's variants
NDJSON = {"Content-Type": "application/x-ndjson"}
OLD = UserAgent()  # one pair of keys for all old customers, to save time
LEFT = {f"{city}-{number}" for city in ("berlin", "york") for number in range(10)}  # the category of offers

CALL = ArgumentParser()  # what of curl the document uses
CALL.add_argument("url")
CALL.add_argument("-X", dest="method")
CALL.add_argument("-H", dest="header", default="X: none")
CALL.add_argument("-d", dest="body")


# A command goes on in indented lines. The comment after it is what its answer holds, beside other fields.
COMMAND = re.compile(r"^(?:([A-Z]+)=\$\()?call (.*\n(?: .*\n)*)(?:# (.*)\n)?", re.M)


class Request(NamedTuple):
    """One `call` of the document; `keep` is the shell variable that gets the id that it answers."""

    asked: Namespace
    keep: str
    expected: str


def requests_of(block: str) -> Iterator[Request]:
    assert COMMAND.sub("", block) == "", block
    for keep, arguments, expected in COMMAND.findall(block):
        words = shlex.split(arguments)
        if keep:
            assert words[-4:] == ["|", "jq", "-r", ".id)"], words
        yield Request(CALL.parse_args(words[:-4] if keep else words), keep, expected)


def read_week() -> dict[str, list[Request]]:
    """The requests of the document by the time that stands before them."""
    text = DOCUMENT.read_text().split("\n## A shop's week\n")[1].split("\n## ")[0]
    _, *parts = re.split(r"\*\*(\w+ \d\d:\d\d)\*\*", text)
    blocks = (re.findall(r"^```sh\n(.*?)^```", said, re.M | re.S) for said in parts[1::2])
    return {at: list(requests_of("".join(some))) for at, some in zip(parts[::2], blocks, strict=True)}


def part_of(shown: Any, like: Any) -> Any:
    """`shown` without the fields that `like` does not have."""
    if isinstance(like, dict):
        return {name: part_of(shown[name], value) for name, value in like.items()}
    if isinstance(like, list):
        return [part_of(*both) for both in zip(shown, like, strict=True)]
    return shown


def assert_adds_up(shown: Any) -> None:
    """Wherever the answer shows progress."""
    progress = shown.get("progress") if isinstance(shown, dict) else None
    if progress and progress["audience"] is not None:  # it is not known before the start
        assert sum(progress[name] for name in OUTCOMES) == progress["audience"], progress
        assert sum(progress["skips"].values()) == progress["skipped"], progress
    for each in shown.values() if isinstance(shown, dict) else shown if isinstance(shown, list) else ():
        assert_adds_up(each)


class Job(Protocol):
    async def step(self) -> bool: ...


async def run(*jobs: Job) -> None:
    for job in jobs:
        while await job.step():
            pass


@dataclass
class Shop:
    api: Api
    site: str
    installation: Installation
    transport: FakeTransport
    week: dict[str, list[Request]] = field(default_factory=read_week)
    names: dict[str, str] = field(default_factory=dict)  # by endpoint
    agents: dict[str, UserAgent] = field(default_factory=dict)  # by name, of those who have keys of their own
    variables: dict[str, str] = field(default_factory=dict)
    read: int = 0

    def __post_init__(self) -> None:
        self.variables |= {"GATEWAY": "", "SITE": self.site}
        self.page = Page(self.api.with_token(None), self.site)

    async def on(self, at: str) -> None:
        """Go there, let happen what is due, and send the document's requests of that time, if any."""
        day, hours, minutes = re.split("[ :]", at)
        moment = MONDAY + timedelta(DAYS.index(day), hours=int(hours), minutes=int(minutes))
        clock = self.installation.clock
        ahead = moment.timestamp() - clock.now() / 1_000
        assert ahead >= 0, at
        clock.advance(ahead)
        await self.settle()
        for request in self.week.pop(at, ()):
            await self.send(request)
        await self.settle()

    async def send(self, request: Request) -> None:
        def put_in(text: str) -> str:
            return re.sub(r"\$([A-Z]+)", lambda found: self.variables[found[1]], text)

        asked = request.asked
        name, _, value = asked.header.partition(": ")
        headers = {"Content-Type": "application/json", name: value}
        headers["Authorization"] = f"Bearer {self.api.token}"
        method = asked.method or ("GET" if asked.body is None else "POST")
        data = asked.body and put_in(asked.body)
        response = await self.api.client.request(method, put_in(asked.url), data=data, headers=headers)
        assert response.ok, await response.text()
        answer = await response.json()
        assert_adds_up(answer)
        expected = json.loads(request.expected or "{}")
        assert part_of(answer, expected) == expected
        if request.keep:
            self.variables[request.keep] = answer["id"]

    async def settle(self) -> None:
        """All that a scheduler and a sender do at this moment."""
        context, metrics = self.installation.context, Metrics()
        first = Starter(context, metrics), Walker(context, metrics), Freezer(context, metrics)
        then = Learner(context), Stager(context), Finisher(context, "scheduler", metrics)
        async with sender(self.installation, self.transport):
            while True:
                await run(*first)
                await eventually(self.nobody_is_due)
                await run(*then)
                if await self.nobody_is_due():
                    break

    async def nobody_is_due(self) -> bool:
        now = self.installation.clock.now()
        [(due,)] = await self.installation.database.read(lambda tx: tx.fetch(DUE, now))
        return bool(due == 0)

    async def subscribe(self, name: str, timezone: str, **more: Any) -> None:
        """A visitor on a page of the shop."""
        self.agents[name] = UserAgent()
        subscription = push_subscription(self.agents[name])
        self.names[subscription["endpoint"]] = name
        await self.page.subscribe(subscription, external_id=name, timezone=timezone, **more)

    async def import_customers(self) -> None:
        """300 in either city, Ben among them."""
        lines = []
        for city, timezone in (("berlin", "Europe/Berlin"), ("york", "America/New_York")):
            for number in range(300):
                name = "ben" if (city, number) == ("berlin", 299) else f"{city}-{number}"
                line = push_subscription(OLD) | {"timezone": timezone, "external_id": name}
                line["opted_out"] = ["offers"] if name in LEFT else []
                self.names[line["endpoint"]] = name
                lines.append(json.dumps(line))
        path = f"/v1/sites/{self.site}/subscriptions/import"
        await self.api.call("POST", path, 200, data="\n".join(lines), headers=NDJSON)

    def got(self) -> dict[str, dict[str, Any]]:
        """What was pushed since the last look, by name, as browsers read it. Nobody gets two."""
        found: dict[str, dict[str, Any]] = {}
        for request in self.transport.posted[self.read :]:
            name = self.names[request.url]
            assert name not in found
            found[name] = json.loads(self.agents.get(name, OLD).decrypt(request.body))
        self.read = len(self.transport.posted)
        return found

    def titles(self) -> dict[str, str]:
        return {name: payload["n"]["title"] for name, payload in self.got().items()}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(round(MONDAY.timestamp() * 1_000))


@pytest.fixture
async def shop(api: Api, context: Context, clock: FakeClock) -> Shop:
    site = await api.new_site(name="Shop", identity="unsigned")
    id = decode_id(Kind.SITE, site)

    async def body(tx: Transaction) -> Installation:
        [key] = await keys.of_site(tx, id)
        return Installation(context, clock, await sites.get(tx, id), key)

    return Shop(api, site, await context.database.read(body), FakeTransport())


async def the_mistake(shop: Shop) -> None:
    """Free shipping, promised and taken back."""
    await shop.on("Wednesday 10:00")
    promised = shop.got()
    assert len(promised) == 301
    assert not any(name.startswith("york") for name in promised)
    seen = sorted(promised)[:100]
    await tell(shop, [{"token": promised[name]["t"], "kind": "displayed"} for name in seen])
    await shop.on("Wednesday 10:05")
    assert shop.got() == {}
    await shop.on("Wednesday 10:06")
    instead = shop.got()
    assert instead.keys() == promised.keys() - set(seen)
    for name, payload in instead.items():
        assert payload["n"]["title"] == "Free shipping: from 50 euros"
        assert payload["m"] == promised[name]["m"]  # in the place of what was promised


async def the_sale(shop: Shop) -> set[str]:
    """Who clicked on it."""
    await shop.on("Thursday 06:00")
    assert shop.got() == {}
    await shop.on("Thursday 07:00")
    berlin = shop.got()
    assert len(berlin) > 50
    assert not any(name.startswith("york") for name in berlin)
    await shop.on("Thursday 12:59")
    assert shop.got() == {}
    await shop.on("Thursday 13:00")
    york = shop.got()
    assert len(york) > 50
    assert all(name.startswith("york") for name in york)
    clickers = await report(shop, berlin | york)
    await shop.on("Thursday 13:30")
    assert shop.got() == {}
    await shop.on("Thursday 14:00")
    rest = shop.titles()
    assert set(rest.values()) == {B}
    assert not rest.keys() & (berlin.keys() | york.keys() | LEFT)
    assert not LEFT & (berlin.keys() | york.keys())
    sale = await shop.api.get(f"/v1/sites/{shop.site}/messages/{shop.variables['SALE']}")
    assert sale["progress"]["accepted"] == len(berlin) + len(york) + len(rest)
    assert sale["progress"]["skips"].keys() == {"holdout", "opted_out"}
    return clickers


async def report(shop: Shop, sample: dict[str, dict[str, Any]]) -> set[str]:
    """All browsers of the sample show it; 5 visitors click on A, 40 on B. Who clicked."""
    shown: dict[str, list[str]] = {A: [], B: []}
    for name, payload in sample.items():
        shown[payload["n"]["title"]].append(name)
    clickers = {*shown[A][:5], *shown[B][:40]}
    events = [{"token": payload["t"], "kind": "displayed"} for payload in sample.values()]
    events += [{"token": sample[name]["t"], "kind": "clicked"} for name in clickers]
    await tell(shop, events)
    return clickers


async def tell(shop: Shop, events: list[dict[str, Any]]) -> None:
    for start in range(0, len(events), MAX_REPORTS):
        await shop.page.report(events[start : start + MAX_REPORTS])


async def test_the_week_of_a_shop_goes_as_the_document_says(shop: Shop) -> None:
    await shop.on("Monday 09:00")
    await shop.import_customers()
    await shop.subscribe("anna", "Europe/Berlin", attributes={"first_name": "Anna"})
    await shop.on("Monday 09:59")
    assert shop.got() == {}
    await shop.on("Monday 10:00")
    assert shop.titles() == {"anna": "Welcome, Anna"}

    await shop.on("Tuesday 15:00")
    await the_mistake(shop)
    clickers = await the_sale(shop)

    await shop.on("Friday 15:00")
    await shop.on("Friday 15:30")
    await shop.on("Friday 16:59")
    assert shop.got() == {}
    await shop.on("Friday 17:00")
    assert shop.titles() == {"anna": "Still interested?"}

    await shop.on("Saturday 17:10")
    await shop.subscribe("cora", "Europe/Berlin", tags=["reader"])
    await shop.on("Saturday 17:30")
    await shop.on("Saturday 18:10")
    assert shop.titles() == {"cora": "Welcome, friend"}
    await shop.on("Saturday 19:30")
    assert shop.titles() == {"cora": "Still interested?"}

    await shop.on("Sunday 17:00")
    assert shop.titles() == dict.fromkeys(clickers, "The week in our shop")
    assert shop.week == {}  # nothing of the document was left out
