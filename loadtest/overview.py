"""How long a site's overview takes after a year of daily messages to a million, and its plans.

    python -m loadtest.overview [--postgres] [--messages 365] [--explain]

An empty database is filled with the counters of such a year as they would have been written: hourly displays
and clicks of each message for three days, from four providers, sixty countries and six browsers. No raw row
is needed, as nothing reads them. The best, the median and the longest of 20 are printed; CPU is this process'
own, without PostgreSQL's.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from gateway.access import ensure_admin_token
from gateway.api.server import build_application
from gateway.campaigns.periods import StatsStep
from gateway.clock import SystemClock
from gateway.context import Context
from gateway.master_key import MasterKey
from gateway.message_stats import message_stats
from gateway.settings import Settings
from gateway.stats import Asked, site_stats
from gateway.webpush import PushHosts
from loadtest.postgres import running_postgres
from storage import growth, messages, rollups, sites
from storage.breakdowns import DAY
from storage.database import Database, Row, Transaction
from storage.growth import Move, Moved
from storage.ids import IdSource, Kind, encode_id, id_ceiling
from storage.messages import Message, Priority
from storage.opening import open_database
from storage.queries import Query, load, make
from storage.rollups import HOUR, Rollup
from storage.sites import Identity, Site

SITE, ROUNDS = 11, 20
TOKEN = "wpg_the-token-of-a-load-test"
TITLED = '{"notification":{"title":"Sale"}}'
PROVIDERS = {"fcm": 700_000, "mozilla": 120_000, "apple": 130_000, "wns": 50_000}
BROWSERS = ("chrome", "firefox", "safari", "edge", "opera", "samsung")
COUNTRIES = tuple(f"{first}{second}" for first in "ABCDEF" for second in "GHIJKLMNOP")
ADD_BREAKDOWNS = make(
    "loadtest",
    "insert into breakdowns select site_id, message_id, day, dimension, value, displayed, clicked, closed"
    " from rows($1: site_id bigint, message_id bigint, day bigint, dimension text, value text,"
    " displayed bigint, clicked bigint, closed bigint)",
)


def counters(id: int, start: int) -> Sequence[Rollup]:
    """Of one message: sent within two hours, reported within three days."""
    found = []
    for provider, size in PROVIDERS.items():
        for hour in range(2):
            at = start + hour * HOUR
            for kind, share in (
                ("accepted", 0.47),
                ("gone", 0.02),
                ("expired", 0.005),
                ("skipped:gone", 0.005),
            ):
                found.append(Rollup(SITE, id, 0, provider, at, kind, int(size * share)))
        for hour in range(72):
            at = start + hour * HOUR
            for kind, share in (("displayed", 0.4), ("clicked", 0.03), ("closed", 0.2)):
                found.append(
                    Rollup(SITE, id, 0, provider, at, kind, max(1, int(size * share / (hour + 2) / 4)))
                )
    return found


def told(id: int, day: int) -> Sequence[Sequence[int | str]]:
    values = [("browser", name) for name in BROWSERS] + [("country", name) for name in COUNTRIES]
    return [(SITE, id, day, dimension, value, 900, 70, 300) for dimension, value in values]


async def fill(database: Database, count: int, now: int) -> None:
    site = Site(SITE, "Shop", ("https://a.example",), "mailto:a@a.example", Identity.SIGNED, False, now)
    await database.write(lambda tx: sites.add(tx, site))
    for back in range(count, 0, -1):
        start = now - now % DAY - back * DAY + 9 * HOUR

        async def body(tx: Transaction, start: int = start) -> None:
            id = id_ceiling(start)
            await messages.add(
                tx,
                Message(
                    id=id, site_id=SITE, priority=Priority.BULK, lane=1,
                    content=TITLED, audience_spec='{"all":true}', ttl=86_400, send_at=start, created_at=start,
                    started_at=start, audience=sum(PROVIDERS.values()),
                ),
            )  # fmt: skip
            await rollups.add_many(tx, counters(id, start))
            day = start - start % DAY
            await tx.execute_rows(ADD_BREAKDOWNS, [*told(id, 0), *told(0, day)])
            hours = [day + hour * HOUR for hour in range(24)]
            moves = [
                (Move.SUBSCRIBED, 300),
                (Move.RESUBSCRIBED, 5),
                (Move.GONE, 100),
                (Move.UNSUBSCRIBED, 30),
            ]
            await growth.add(tx, [Moved(SITE, at, move, n) for at in hours for move, n in moves])

        await database.write(body)


async def measure(name: str, ask: Callable[[], Awaitable[object]]) -> None:
    walls, cpus = [], []
    for _ in range(ROUNDS):
        wall, cpu = time.perf_counter(), time.process_time()
        await ask()
        walls.append((time.perf_counter() - wall) * 1e3)
        cpus.append((time.process_time() - cpu) * 1e3)
    median = statistics.median
    print(f"| {name} | {min(walls):.0f} | {median(walls):.0f} | {max(walls):.0f} | {median(cpus):.0f} |")


async def explain(database: Database) -> None:
    spoken = "explain query plan " if database.dialect == "sqlite" else "explain "
    year = (SITE, 0, 2**50, HOUR, DAY)
    asked = [
        ("rollups", "by_part", year),
        ("growth", "by_part", year),
        ("breakdowns", "of_site", (SITE, 0, 2**50)),
    ]
    asked += [("growth", "active", (SITE,)), ("rollups", "count_started", (SITE, 0, 2**50))]
    for aggregate, block, arguments in asked:
        query = load(aggregate)[block]
        plan = Query("explain", spoken + query.sqlite, spoken + query.postgres)

        async def body(
            tx: Transaction, plan: Query = plan, arguments: tuple[int, ...] = arguments
        ) -> Sequence[Row]:
            return await tx.fetch(plan, *arguments)

        print(f"{query.name}\n" + "\n".join(f"    {row[-1]}" for row in await database.read(body)))


async def run(url: str, count: int, explained: bool) -> None:
    clock = SystemClock()
    database = await open_database(url, migrate=True)
    context = Context(
        database,
        clock,
        IdSource(clock.now, lambda _: 0),
        MasterKey(bytes(32)),
        Settings(admin_token=TOKEN),
        PushHosts(),
        CollectorRegistry(),
    )
    await ensure_admin_token(context)
    await fill(database, count, clock.now())
    if database.dialect != "sqlite":
        await database.write(lambda tx: tx.fetch(Query("analyze", "", "analyze")))
    year = str(count)
    start = time.strftime("%Y-%m-%d", time.gmtime(clock.now() / 1e3 - count * 86_400))
    zone = "Europe/Berlin"
    what = f"{count} messages to a million, {database.dialect}"
    print(f"| {what} | best, ms | median, ms | longest, ms | CPU, ms |")
    print("|---|---:|---:|---:|---:|")
    await measure(
        f"{year} days by the day", lambda: site_stats(context, SITE, Asked(start, None, StatsStep.DAY, zone))
    )
    await measure(
        f"{year} days by the month",
        lambda: site_stats(context, SITE, Asked(start, None, StatsStep.MONTH, zone)),
    )
    await measure("the last 30 days", lambda: site_stats(context, SITE, Asked(timezone=zone)))
    newest = id_ceiling(clock.now() - clock.now() % DAY - DAY + 9 * HOUR)
    await measure("one message", lambda: message_stats(context, SITE, newest, Asked(timezone=zone)))
    async with TestClient(TestServer(build_application(context), host="127.0.0.1")) as client:
        query = {"from": start, "timezone": zone}
        headers = {"Authorization": f"Bearer {TOKEN}"}

        async def ask() -> None:
            path = f"/v1/sites/{encode_id(Kind.SITE, SITE)}/stats"
            async with client.get(path, params=query, headers=headers) as answer:
                assert answer.status == 200
                await answer.read()

        await measure(f"{year} days by the day, over HTTP", ask)
    if explained:
        await explain(database)
    await database.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--messages", type=int, default=365)
    parser.add_argument("--explain", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if not options.postgres:
            asyncio.run(run(f"sqlite:///{folder}/gateway.db", options.messages, options.explain))
            return
        with running_postgres(Path(folder) / "postgres") as url:
            asyncio.run(run(url, options.messages, options.explain))


if __name__ == "__main__":
    main()
