"""How long a claim takes with 10,000 sites and 2,000 messages sending at once, and its plan.

    python -m loadtest.claim [--database postgresql://…]

An empty database is filled. Each case is claimed from 100 times, every 50 ms of its clock; the best,
the median and the longest are printed: the machine may be busy. CPU is this process' own, without
PostgreSQL's.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from storage import batches, messages, sites, throttles
from storage.batches import BULK, MAX_MEMBERS, PROVIDERS, Batch, pack
from storage.database import Database, Transaction
from storage.messages import Message, Priority
from storage.opening import open_database
from storage.queries import Query, load
from storage.sites import Identity, Site

SITES, MESSAGES, BATCHES_EACH, ROUNDS = 10_000, 2_000, 3, 100
STEP = 50  # milliseconds from claim to claim: as often as a sender wakes up
NOW = 1_767_225_600_000
LATER = NOW + 3_600_000
MEMBERS = pack(range(1, MAX_MEMBERS + 1))
LISTED = PROVIDERS[:4]


async def fill(database: Database) -> None:
    for start in range(1, SITES + 1, 1_000):
        await database.write(lambda tx, start=start: _add_sites(tx, start))  # type: ignore[misc]
    for start in range(1, MESSAGES + 1, 100):
        await database.write(lambda tx, start=start: _add_messages(tx, start))  # type: ignore[misc]


async def _add_sites(tx: Transaction, start: int) -> None:
    for id in range(start, start + 1_000):
        await sites.add(
            tx, Site(id, "Shop", ("https://a.example",), "mailto:a@a.example", Identity.SIGNED, False, NOW)
        )


async def _add_messages(tx: Transaction, start: int) -> None:
    """On 1,000 of the sites, two each; twelve batches of four providers each."""
    for id in range(start, start + 100):
        site_id = 1 + (id * 7) % (SITES // 10) * 10
        await messages.add(
            tx,
            Message(
                id=id, site_id=site_id, priority=Priority.BULK, lane=BULK, content="{}" + " " * 500,
                audience_spec='{"all":true}', ttl=86_400, send_at=NOW, created_at=NOW,
            ),
        )  # fmt: skip
        await messages.start(tx, id, NOW, 2**62)
        numbers = [(provider, n) for provider in LISTED for n in range(BATCHES_EACH)]
        await batches.add_many(
            tx,
            [
                Batch(
                    id=id * 100 + 10 * LISTED.index(provider) + n, site_id=site_id, message_id=id,
                    provider=provider, members=MEMBERS, size=MAX_MEMBERS, due_at=NOW, attempt=1, stage=0,
                    variant=0, lane=BULK, created_at=NOW,
                )
                for provider, n in numbers
            ],
        )  # fmt: skip


def statement(text: str) -> Callable[[Database], Awaitable[None]]:
    async def run(database: Database) -> None:
        await database.write(lambda tx: tx.execute(Query("loadtest", text, text)))

    return run


async def hold_fcm_of_every_site(database: Database) -> None:
    await _hold(database, ["fcm"])


async def hold_every_site(database: Database) -> None:
    await _hold(database, list(LISTED))


async def hold_every_site_whole(database: Database) -> None:
    await _hold(database, [throttles.EVERY_PROVIDER])


async def _hold(database: Database, providers: list[str]) -> None:
    async def body(tx: Transaction) -> None:
        for site_id in range(1, SITES + 1, 10):
            for provider in providers:
                await throttles.hold(tx, site_id, provider, LATER, "retry_after", NOW)

    await database.write(body)


async def hold_one_provider(database: Database) -> None:
    await database.write(lambda tx: throttles.hold(tx, 0, "fcm", LATER, "breaker", NOW))


CASES: dict[str, tuple[Callable[[Database], Awaitable[None]], ...]] = {
    "everything is due": (),
    "one provider of four is held": (hold_one_provider,),
    "every site is held on that provider, nothing else is due": (
        hold_fcm_of_every_site,
        statement(f"update batches set due_at = {LATER} where provider <> 'fcm' and lease_owner is null"),
    ),
    "everything is due later": (statement(f"update batches set due_at = {LATER}"),),
    "every message waits for its rate": (
        statement(f"update batches set due_at = {NOW}"),
        statement(f"update messages set next_at = {LATER}"),
    ),
    "every site is held whole": (statement("update messages set next_at = 0"), hold_every_site_whole),
    "every site is held on every provider": (
        statement("delete from throttles where provider = ''"),
        hold_every_site,
    ),
}


async def measure(database: Database) -> None:
    print("| 2,000 messages sending | claimed | best, ms | median, ms | longest, ms | CPU, ms | most, ms |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, preparations in CASES.items():
        for prepare in (*preparations, statement("update messages set nap_until = 0")):
            await prepare(database)
        walls, cpus, claimed, now = [], [], 0, NOW
        for _ in range(ROUNDS):
            wall, cpu = time.perf_counter(), time.process_time()
            found = await database.write(
                lambda tx, now=now: batches.claim(  # type: ignore[misc]
                    tx, "me", now, 60_000, 2, (BULK,), PROVIDERS
                )
            )
            walls.append((time.perf_counter() - wall) * 1e3)
            cpus.append((time.process_time() - cpu) * 1e3)
            claimed = len(found)
            await database.write(lambda tx: batches.release_owner(tx, "me"))
            now += STEP
        print(
            f"| {name} | {claimed} | {min(walls):.2f} | {statistics.median(walls):.2f} | {max(walls):.2f} "
            f"| {statistics.median(cpus):.2f} | {max(cpus):.2f} |"
        )


async def show_plan(database: Database) -> None:
    claim = load("batches")["claim"]
    explain = Query("plan", f"explain query plan {claim.sqlite}", f"explain {claim.postgres}")
    arguments = ("me", NOW, 60_000, 2, 1, 1, list(PROVIDERS), 1, batches.LOOK)
    rows = await database.write(lambda tx: tx.fetch(explain, *arguments))
    print("\n".join(str(row[-1]) for row in rows))


async def run(url: str) -> None:
    database = await open_database(url, migrate=True, write_pause=0)
    try:
        await fill(database)
        await measure(database)
        await show_plan(database)
    finally:
        await database.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="How long a claim takes, and its plan")
    parser.add_argument("--database", help="postgresql://…; SQLite in a temporary directory without it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(options.database or f"sqlite:///{Path(folder) / 'claim.sqlite3'}"))


if __name__ == "__main__":
    main()
