"""How long raw rows take to be removed, and how long others wait for it.

    python -m loadtest.removal [--postgres] [--rows 200000]

A message's deliveries and events are recorded and, ninety days later by the clock of the test, removed as the
housekeeper does it. Meanwhile somebody subscribes every 20 ms; their waits are printed beside those of as
many who subscribed when nothing was removed.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from loadtest.postgres import running_postgres
from storage import deliveries, events, messages, removals, sites, subscriptions
from storage.database import Database, Transaction
from storage.deliveries import Outcome, Result
from storage.events import Event, EventKind
from storage.messages import Message, MessageState, Priority
from storage.opening import open_database
from storage.removals import Raw
from storage.sites import Identity, Site
from storage.subscriptions import NewSubscription

SITE, MESSAGE, NOW, LATER = 11, 501, 1_767_225_600_000, 1_800_000_000_000
FLUSH = 500


async def fill(database: Database, rows: int) -> None:
    site = Site(SITE, "Shop", ("https://a.example",), "mailto:a@a.example", Identity.SIGNED, False, NOW)
    message = Message(
        id=MESSAGE, site_id=SITE, priority=Priority.BULK, lane=1, content="{}", audience_spec='{"all":true}',
        ttl=86_400, send_at=NOW, created_at=NOW,
    )  # fmt: skip
    await database.write(lambda tx: sites.add(tx, site))
    await database.write(lambda tx: messages.add(tx, message))
    await database.write(lambda tx: messages.start(tx, MESSAGE, NOW, 2**62))
    for start in range(1, rows + 1, FLUSH):
        ids = range(start, start + FLUSH)
        sent = [Result(SITE, MESSAGE, id, "fcm", 1, 0, Outcome.ACCEPTED, None, 201, NOW) for id in ids]
        seen = [Event(SITE, MESSAGE, id, 0, EventKind.DISPLAYED, None, NOW) for id in ids]
        await database.write(lambda tx, sent=sent: deliveries.record(tx, sent))  # type: ignore[misc]
        await database.write(lambda tx, seen=seen: events.record(tx, seen))  # type: ignore[misc]
    going_on = {MessageState.SENDING}
    await database.write(lambda tx: messages.transition(tx, MESSAGE, going_on, MessageState.SENT, None, NOW))


async def subscribe(database: Database, numbers: range, stop: asyncio.Event) -> Sequence[float]:
    """Milliseconds that each waited."""
    waits = []
    for number in numbers:
        if stop.is_set():
            break
        new = NewSubscription(
            endpoint=f"https://fcm.googleapis.com/fcm/send/{number}", provider="fcm", key_id=7,
            p256dh=b"\x04" + number.to_bytes(64, "big"), auth=number.to_bytes(16, "big"), created_at=NOW,
        )  # fmt: skip
        start = time.perf_counter()
        await database.write(lambda tx, n=number, new=new: subscriptions.register(tx, SITE, n, new, NOW))  # type: ignore[misc]
        waits.append((time.perf_counter() - start) * 1e3)
        await asyncio.sleep(0.02)
    return waits


async def remove(database: Database, raw: Raw) -> Sequence[float]:
    """Milliseconds of each transaction, in the database's thread or connection."""
    took: list[float] = []
    while True:
        spent = 0.0

        async def body(tx: Transaction) -> int | None:
            nonlocal spent
            start = time.perf_counter()
            removed = await removals.step(tx, raw, LATER)
            spent = (time.perf_counter() - start) * 1e3
            return removed

        if await database.write(body) is None:
            return took
        took.append(spent)


async def run(url: str, rows: int) -> None:
    database = await open_database(url, migrate=True)
    await fill(database, rows)
    stop = asyncio.Event()
    alone = await subscribe(database, range(1, 100), stop)
    what = f"{rows:,} rows of a kind, {database.dialect}"
    print(f"| {what} | transactions | median, ms | longest, ms | in all, s |")
    print("|---|---:|---:|---:|---:|")
    others = asyncio.create_task(subscribe(database, range(1_000, 100_000), stop))
    for raw in Raw:
        start = time.perf_counter()
        took = await remove(database, raw)
        seconds = time.perf_counter() - start
        print(f"| {raw} | {len(took)} | {statistics.median(took):.1f} | {max(took):.1f} | {seconds:.1f} |")
    stop.set()
    beside = await others
    for name, waits in (("nothing", alone), ("all of this", beside)):
        median, longest = statistics.median(waits), max(waits)
        print(f"| {len(waits)} who subscribed beside {name} | | {median:.1f} | {longest:.1f} | |")
    await database.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--rows", type=int, default=200_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if not options.postgres:
            asyncio.run(run(f"sqlite:///{folder}/gateway.db", options.rows))
            return
        with running_postgres(Path(folder) / "postgres") as url:
            asyncio.run(run(url, options.rows))


if __name__ == "__main__":
    main()
