"""What expressions cost at a million subscriptions: estimates, freezes, and the plans of their queries.

    python -m loadtest.expressions                              SQLite in a temporary directory
    python -m loadtest.expressions --keep FOLDER                SQLite there; filled unless it is already
    python -m loadtest.expressions --database postgresql://…    an empty database, filled and left so

Estimates are those of the gateway, freezes its freezer's. CPU is this process' (every thread); PostgreSQL's
own processes are extra.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import msgspec
import uvloop

from gateway.audience import AudienceSpec, write_audience
from gateway.campaigns.expressions import Expression
from gateway.context import Context
from gateway.estimates import Estimates
from gateway.metrics import Metrics
from gateway.scheduler.freezer import Freezer
from gateway.scheduler.starter import Starter
from loadtest.audience import open_context
from loadtest.history import DAY, KnownVisitors, remember
from loadtest.storage_million import SITE, Stopwatch, fill, report
from storage import messages
from storage.batches import BULK
from storage.database import Body, Database, Row, Transaction, Value
from storage.ids import MAX_ID, Kind, encode_id
from storage.messages import Message, Priority
from storage.queries import Query

Where = Mapping[str, Any]
GOAL = "<= 3 s at a million on SQLite"
CHEAP: Where = {"all": [{"tag": "sale"}, {"attribute": "plan", "op": "eq", "value": "pro"}]}
_PRO: Where = {"attribute": "plan", "op": "eq", "value": "pro"}
ALL: Where = {"not": {"tag": "nobody has this"}}
DEAR: Where = {
    "all": [
        {"language": "de"},
        {"any": [_PRO, {"attribute": "visits", "op": "gt", "value": 20}]},
        {"attribute": "last_order", "op": "gt", "value": "2026-03-01T00:00:00Z"},
        {"not": {"tag": "vip"}},
        {"seen": {"within": "150d"}},
        {"not": {"received": {"within": "1d"}}},
    ]
}


def conditions(early: int, late: int) -> dict[str, Where]:
    """Every kind of condition by a name; with a message to everybody, and one to a quarter."""
    to_all, to_some = encode_id(Kind.MESSAGE, early), encode_id(Kind.MESSAGE, late)

    def attribute(name: str, op: str, value: object) -> Where:
        return {"attribute": name, "op": op, "value": value}

    return {
        "everybody": {"not": {"tag": "nobody has this"}},
        "tag of one in 100": {"tag": "vip"},
        "tag of two in 3": {"tag": "regular"},
        "tag of one in 3 and an attribute": CHEAP,
        "either of two tags": {"any": [{"tag": "vip"}, {"tag": "sale"}]},
        "attribute eq": attribute("plan", "eq", "pro"),
        "attribute ne": attribute("city", "ne", "Berlin"),
        "attribute in": attribute("city", "in", ["Berlin", "Wien", "Paris"]),
        "attribute gt, a number": attribute("visits", "gt", 100),
        "attribute lt, a number": attribute("visits", "lt", 100),
        "attribute gt, a time": attribute("last_order", "gt", "2026-06-01T00:00:00Z"),
        "attribute contains": attribute("city", "contains", "Yor"),
        "attribute exists": {"attribute": "plan", "op": "exists"},
        "language": {"language": "de"},
        "timezone": {"timezone": "Europe/Vienna"},
        "country": {"country": "DE"},
        "browser": {"browser": "firefox"},
        "platform": {"platform": "android"},
        "provider": {"provider": "mozilla"},
        "subscribed within": {"subscribed": {"within": "4318h"}},
        "seen within": {"seen": {"within": "90d"}},
        "received: a message to all": {"received": {"message": to_all}},
        "received: a message to a quarter": {"received": {"message": to_some}},
        "received within 90 days": {"received": {"within": "90d"}},
        "received within 30 days": {"received": {"within": "30d"}},
        "received within 5 days": {"received": {"within": "5d"}},
        "not received within 1 day": {"not": {"received": {"within": "1d"}}},
        "displayed: a message": {"displayed": {"message": to_all}},
        "displayed within 30 days": {"displayed": {"within": "30d"}},
        "clicked: a message": {"clicked": {"message": to_all}},
        "not clicked within 30 days": {"not": {"clicked": {"within": "30d"}}},
        "seven conditions": DEAR,
    }


class Watched:
    """A transaction that notes the texts and arguments that are fetched."""

    def __init__(self, tx: Transaction, seen: dict[str, tuple[Query, Sequence[Value]]]) -> None:
        self._tx = tx
        self._seen = seen

    async def fetch(self, query: Query, *args: Value) -> Sequence[Row]:
        self._seen[query.sqlite] = (query, args)
        return await self._tx.fetch(query, *args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tx, name)


class WatchedDatabase:
    """One whose reads apart are watched, and whose transactions are timed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.seen: dict[str, tuple[Query, Sequence[Value]]] = {}
        self.longest = {"read": 0.0, "write": 0.0}

    async def read_apart(self, body: Body[Any]) -> Any:
        return await self._timed("read", self._database.read_apart, body)

    async def read(self, body: Body[Any]) -> Any:
        return await self._timed("read", self._database.read, body)

    async def write(self, body: Body[Any]) -> Any:
        return await self._timed("write", self._database.write, body)

    async def _timed(self, kind: str, run: Callable[[Body[Any]], Awaitable[Any]], body: Body[Any]) -> Any:
        """From the beginning of the transaction to its end, a commit included."""
        began = 0.0

        async def timed(tx: Transaction) -> Any:
            nonlocal began
            began = time.perf_counter()
            return await body(Watched(tx, self.seen))

        result = await run(timed)
        self.longest[kind] = max(self.longest[kind], time.perf_counter() - began)
        return result

    async def plans(self) -> list[str]:
        """Of the texts that were fetched, one line a step."""
        lines = []
        for query, args in self.seen.values():
            if query.name != "audiences.matching":
                continue
            explain = Query("plan", f"explain query plan {query.sqlite}", f"explain {query.postgres}")

            async def ask(tx: Transaction, explain: Query = explain, args: Sequence[Value] = args) -> Any:
                return await tx.fetch(explain, *args)

            rows = await self._database.read(ask)
            lines += [str(row[-1]) for row in rows]
        return list(dict.fromkeys(lines))


async def estimate(context: Context, name: str, where: Where, *, plans: bool) -> None:
    database = WatchedDatabase(context.database)
    estimates = Estimates(replace(context, database=cast("Database", database)))
    audience = AudienceSpec(where=msgspec.convert(where, Expression))
    watch = Stopwatch()
    made = await estimates.make(SITE, audience)
    wall, cpu = watch.read()
    longest = f"longest read {database.longest['read'] * 1e3:.0f} ms"
    report(name, f"{made.count:>9,}  {wall:5.2f} s ({cpu:5.2f} s CPU), {longest}", GOAL)
    if plans:
        for line in await database.plans():
            print(f"    {line}")


async def freeze(context: Context, name: str, where: Where) -> None:
    """As the scheduler does it: start, then steps until the audience is known."""
    database = WatchedDatabase(context.database)
    watched = replace(context, database=cast("Database", database))
    message = _message(context, where)
    await context.database.write(lambda tx: messages.add(tx, message))
    starter, freezer, watch, before = (
        Starter(watched, Metrics()),
        Freezer(watched, Metrics()),
        Stopwatch(),
        peak(),
    )
    await starter.step()
    while await freezer.step():
        pass
    wall, cpu = watch.read()
    progress, _ = (await context.database.read(lambda tx: messages.progress_of(tx, [message.id])))[message.id]
    assert progress is not None
    report(f"freeze: {name}", f"{progress.audience:>9,}  {wall:5.2f} s ({cpu:5.2f} s CPU)")
    longest = ", ".join(f"{kind} {seconds * 1e3:.0f} ms" for kind, seconds in database.longest.items())
    report("  longest transactions, memory before and after", f"{longest}; {before:.0f}, {peak():.0f} MB")


def peak() -> float:
    """Of this process, megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024


def _message(context: Context, where: Where) -> Message:
    now = context.clock.now()
    audience = AudienceSpec(where=msgspec.convert(where, Expression))
    return Message(
        id=context.ids.next(), site_id=SITE, priority=Priority.BULK, lane=BULK, content="{}",
        audience_spec=write_audience(audience), ttl=86_400, send_at=now, created_at=now,
    )  # fmt: skip


async def fill_once(context: Context, count: int) -> tuple[int, int]:
    """The ids of a message that was sent to everybody and of one to a quarter."""
    page = await context.database.read(lambda tx: messages.page(tx, SITE, MAX_ID, 1_000))
    lately = context.clock.now() - DAY // 4
    past = sorted((each for each in page if each.send_at < lately), key=lambda each: each.send_at)
    if not past:
        await fill(context.database, count, KnownVisitors(1))
        watch = Stopwatch()
        sent, accepted = await remember(context.database, context.ids, context.clock.now())
        report("the past", f"{accepted:,} deliveries of {len(sent)} messages in {watch.read()[0]:.0f} s")
        return sent[16].id, sent[-1].id
    return past[16].id, past[29].id


async def measure(folder: Path, options: argparse.Namespace) -> None:
    async with open_context(folder, "localhost", options.database or "") as context:
        early, late = await fill_once(context, options.subscriptions)
        for name, where in conditions(early, late).items():
            if options.only in name:
                await estimate(context, name, where, plans=options.plans)
        if options.freeze:
            for name, where in (
                ("by the tag's index", CHEAP),
                ("everybody by a scan", ALL),
                ("seven conditions", DEAR),
            ):
                await freeze(context, name, where)


def main() -> None:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--database", help="an empty PostgreSQL database; SQLite without")
    parser.add_argument("--keep", type=Path, help="the folder of the SQLite file")
    parser.add_argument("--subscriptions", type=int, default=1_000_000)
    parser.add_argument("--only", default="", help="conditions with this in their name")
    parser.add_argument("--plans", action="store_true", help="print them, too")
    parser.add_argument("--no-freeze", dest="freeze", action="store_false")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gateway-expressions-") as folder:
        uvloop.run(measure(options.keep or Path(folder), options))


if __name__ == "__main__":
    main()
