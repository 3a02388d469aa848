"""What the watch costs with 10,000 sites: `python -m loadtest.watch [--sites N] [--days N]`.

Fills a SQLite database with the hourly totals of sites that each send once a day to three push services (a
blast, and two hours of displays after it), and of a hundredth that sends every hour. Then looks as the
scheduler's leader does, once a minute, and prints the CPU time of each look: of this process, the database's
threads included. With `--plans` it prints how SQLite finds what each look asks for.
"""

import argparse
import asyncio
import secrets
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from gateway.context import Context
from gateway.master_key import MasterKey
from gateway.settings import Settings
from gateway.watch.bands import DAY, HOUR
from gateway.watch.watch import Watch
from gateway.webpush import PushHosts
from storage.ids import IdSource
from storage.opening import open_database
from storage.queries import load
from tests.fakes.clock import FakeClock

PROVIDERS = ("fcm", "mozilla", "apple")
LOOKED_AT = ("sites_that_sent", "that_failed", "together", "of_site")


def rows(sites: int, now: int, days: int) -> Iterator[tuple[int | str, ...]]:
    """All of them send in the last hours, so that each has to be looked at."""
    last = now - now % HOUR - 3 * HOUR
    for site_id in range(1, sites + 1):
        steady = site_id % 100 == 0
        for day in range(days):
            for hour in range(24) if steady else range(3):
                at = last + (hour - 21 if steady else hour) * HOUR - day * DAY
                sent = 300 if steady or hour == 0 else 0
                for provider in PROVIDERS:
                    yield (
                        site_id,
                        at,
                        provider,
                        sent,
                        1,
                        3,
                        0,
                        0,
                        150 if steady else (100, 40, 10)[hour],
                        4,
                        9,
                        1,
                    )


def fill(file: Path, sites: int, now: int, days: int) -> int:
    with sqlite3.connect(file) as database:
        place = ",".join("?" * 12)
        database.executemany(f"insert into site_totals values ({place})", rows(sites, now, days))
        (count,) = database.execute("select count(*) from site_totals").fetchone()
    return int(count)


def print_plans(file: Path) -> None:
    with sqlite3.connect(file) as database:
        for name in LOOKED_AT:
            print(f"\n{name}")
            query = load("watched")[name].sqlite
            arguments = [0] * (1 + max(number for number in range(1, 9) if f"?{number}" in query))
            for *_, step in database.execute(f"explain query plan {query}", arguments[1:]):
                print(f"  {step}")


async def look(folder: Path, clock: FakeClock, looks: int) -> None:
    settings = Settings(data_dir=folder)
    database = await open_database(settings.database_url, migrate=False)
    ids = IdSource(clock.now, secrets.randbits)
    watch = Watch(Context(database, clock, ids, MasterKey(bytes(32)), settings, PushHosts()))
    spent = []
    for number in range(looks):
        began_at, wall = time.process_time(), time.monotonic()
        await watch.look()
        spent.append(time.process_time() - began_at)
        if number < 3:
            print(f"look {number + 1}: {1_000 * spent[-1]:.0f} ms CPU, {time.monotonic() - wall:.2f} s")
        clock.advance(60)
    print(f"{looks} looks: median {1_000 * median(spent):.0f} ms CPU, most {1_000 * max(spent):.0f} ms")
    left = len(watch._ratios._sites)
    print(f"sites that are still to be looked at in this hour: {left}")
    await database.close()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sites", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=28)
    parser.add_argument("--looks", type=int, default=45)
    parser.add_argument("--plans", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, clock = Path(name), FakeClock()
        clock.advance(12 * 3_600 + 600)
        settings = Settings(data_dir=folder)
        await (await open_database(settings.database_url, migrate=True)).close()
        file = Path(settings.database_url.removeprefix("sqlite:///"))
        count = fill(file, options.sites, clock.now(), options.days)
        print(f"{options.sites} sites, {count} rows")
        if options.plans:
            print_plans(file)
        await look(folder, clock, options.looks)


if __name__ == "__main__":
    asyncio.run(main())
