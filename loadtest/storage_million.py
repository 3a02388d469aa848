"""What storage costs with a million subscriptions: size, freeze, members, claim to record, register, events.
loadtest.expressions has what expressions cost.

    python -m loadtest.storage_million                          SQLite in a temporary directory
    python -m loadtest.storage_million --database postgresql://…    an empty database, filled and left so

Prints one line for each figure, its goal beside it. CPU time is this process' (every thread);
PostgreSQL's own processes are extra, which is why the rate by the wall clock stands beside it.
"""

import argparse
import asyncio
import base64
import os
import random
import secrets
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop

from storage import batches, deliveries, events, habits, messages, sites, subscriptions
from storage.batches import BULK, MAX_MEMBERS, Batch, pack, unpack
from storage.database import Database, Transaction
from storage.deliveries import Outcome, Result
from storage.events import Event, EventKind
from storage.ids import IdSource
from storage.messages import Message, Priority
from storage.opening import open_database
from storage.sites import Identity, Site
from storage.subscriptions import NewSubscription

SITE = 1
STEP = 50_000
LEASE_MS = 60_000
# provider, share, beginning and length of its endpoints as they are in the wild
PROVIDERS = (
    ("fcm", 80, "https://fcm.googleapis.com/fcm/send/", 188),
    ("mozilla", 12, "https://updates.push.services.mozilla.com/wpush/v2/", 234),
    ("apple", 5, "https://web.push.apple.com/", 196),
    ("wns", 3, "https://wns2-par02p.notify.windows.com/w/?token=", 210),
)
SHARES = [share for _, share, *_ in PROVIDERS]


def now() -> int:
    return time.time_ns() // 1_000_000


class Visitors:
    """Endless new subscriptions, spread over half a year of ids."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._at = now() - 180 * 86_400_000
        self._ids = IdSource(lambda: self._at, secrets.randbits)

    def next(self) -> tuple[int, NewSubscription]:
        self._at += 15
        provider, _, beginning, length = self._random.choices(PROVIDERS, SHARES)[0]
        rest = base64.urlsafe_b64encode(self._random.randbytes(length)).decode()
        new = NewSubscription(
            endpoint=beginning + rest[: length - len(beginning)],
            provider=provider,
            key_id=1 << 50,
            p256dh=b"\x04" + self._random.randbytes(64),
            auth=self._random.randbytes(16),
            created_at=self._at,
            language="en-US" if self._random.random() < 0.5 else None,
            timezone="Europe/Vienna" if self._random.random() < 0.5 else None,
            country="AT",
            browser="chrome",
            platform="android",
        )
        return self._ids.next(), new


class Stopwatch:
    def __init__(self) -> None:
        self.wall = time.perf_counter()
        self.cpu = time.process_time()

    def read(self) -> tuple[float, float]:
        return time.perf_counter() - self.wall, time.process_time() - self.cpu


def report(what: str, figure: str, goal: str = "") -> None:
    print(f"{what:<46} {figure:<58} {goal}", flush=True)


async def fill(database: Database, count: int, visitors: Visitors) -> None:
    site = Site(SITE, "Load", ("https://a.example",), "mailto:a@a.example", Identity.SIGNED, False, now())
    await database.write(lambda tx: sites.add(tx, site))
    watch = Stopwatch()
    for start in range(0, count, 2_000):
        rows = [visitors.next() for _ in range(min(2_000, count - start))]

        async def body(tx: Transaction, rows: list[tuple[int, NewSubscription]] = rows) -> None:
            await subscriptions.add_many(tx, SITE, rows, now())

        await database.write(body)
    wall, cpu = watch.read()
    report("import", f"{count / wall:,.0f}/s, {cpu / count * 1e6:.1f} us CPU each (making them up included)")


def size(path: Path | None, count: int) -> None:
    if path is not None:
        total = sum(file.stat().st_size for file in path.parent.iterdir() if file.suffix != ".sqlite3-wal")
        report("file size", f"{total / count:.0f} bytes a subscription", "<= 500")


def cut(message_id: int, members: Sequence[tuple[int, str]], ids: IdSource) -> Iterator[Batch]:
    by_provider: defaultdict[str, list[int]] = defaultdict(list)
    for id, provider in members:
        by_provider[provider].append(id)
    for provider, of_provider in by_provider.items():
        for start in range(0, len(of_provider), MAX_MEMBERS):
            some = of_provider[start : start + MAX_MEMBERS]
            at = now()
            yield Batch(ids.next(), SITE, message_id, provider, pack(some), len(some), at, 1, 0, 0, BULK, at)


async def freeze_step(
    database: Database, message_id: int, cursor: int, end: int, judged: int, new: list[Batch]
) -> float:
    """Seconds from the beginning of the write transaction to the end of its commit."""
    started = 0.0

    async def body(tx: Transaction) -> None:
        nonlocal started
        started = time.perf_counter()
        assert await messages.freeze_advance(tx, message_id, cursor, end, judged)
        await batches.add_many(tx, new)

    await database.write(body)
    return time.perf_counter() - started


async def freeze(database: Database, message_id: int, ids: IdSource) -> None:
    at = now()
    message = Message(
        id=message_id,
        site_id=SITE,
        priority=Priority.BULK,
        lane=BULK,
        content="{}",
        audience_spec='{"all":true}',
        ttl=86_400,
        send_at=at,
        created_at=at,
    )
    await database.write(lambda tx: messages.add(tx, message))
    await database.write(lambda tx: messages.start(tx, message_id, at, ceiling=2**62))
    watch, cursor, judged, longest, last = Stopwatch(), 0, 0, 0.0, False
    while not last:

        async def step(tx: Transaction, after: int = cursor) -> Sequence[tuple[int, str]]:
            return await subscriptions.audience_step(tx, SITE, after, 2**62, STEP)

        members = await database.read(step)
        end, last = members[-1][0] if members else cursor, len(members) < STEP
        new = list(cut(message_id, members, ids))
        longest = max(longest, await freeze_step(database, message_id, cursor, end, len(members), new))
        cursor, judged = end, judged + len(members)
    await database.write(lambda tx: messages.frozen(tx, message_id, judged, 0, now()))
    wall, cpu = watch.read()
    report(f"freeze {judged:,} in steps of {STEP:,}", f"{wall:.2f} s ({cpu:.2f} s CPU)", "<= 3 s")
    report("  longest write transaction of it", f"{longest * 1e3:.0f} ms")


async def read_members(database: Database) -> None:
    held = await database.write(lambda tx: batches.claim(tx, "reader", now(), LEASE_MS, 300))
    watch, rows = Stopwatch(), 0
    for batch in random.sample(held, len(held)):
        ids = unpack(batch.members)

        async def body(tx: Transaction, ids: list[int] = ids) -> int:
            return len(await subscriptions.members(tx, SITE, ids))

        rows += await database.read(body)
    wall, cpu = watch.read()
    await database.write(lambda tx: batches.release_owner(tx, "reader"))
    figure = f"{wall / rows * 1e6:.2f} us a row ({cpu / rows * 1e6:.2f} us CPU)"
    report("members of a batch", figure, "<= 3 us")


async def one_batch(database: Database, owner: str) -> int:
    """Claim, members, at_attempt, record and finish, as a sender does it; how many messages."""
    claimed = await database.write(lambda tx: batches.claim(tx, owner, now(), LEASE_MS))
    if not claimed:
        return 0
    batch = claimed[0]
    ids = unpack(batch.members)

    async def look(tx: Transaction) -> tuple[int, set[int] | None]:
        found = await subscriptions.members(tx, SITE, ids)
        return len(found), await deliveries.at_attempt(tx, SITE, batch.message_id, ids, batch.attempt)

    found, left = await database.read(look)
    assert found == len(ids)
    at = now()
    results = [
        Result(SITE, batch.message_id, id, batch.provider, batch.attempt, 0, Outcome.ACCEPTED, None, 201, at)
        for id in (ids if left is None else left)
    ]

    async def flush(tx: Transaction) -> int:
        changed = await deliveries.record(tx, results)
        await batches.finish_many(tx, [batch.id], owner)
        return len(changed)

    return await database.write(flush)


async def send(database: Database, message_id: int, workers: int) -> None:
    async def worker(number: int) -> int:
        sent = 0
        while some := await one_batch(database, f"worker {number}"):
            sent += some
        return sent

    watch = Stopwatch()
    sent = sum(await asyncio.gather(*(worker(n) for n in range(workers))))
    wall, cpu = watch.read()
    done = await database.write(lambda tx: messages.finish_done(tx, now()))
    assert message_id in done
    progress = (await database.read(lambda tx: messages.progress_of(tx, [message_id])))[message_id][0]
    assert progress is not None
    assert (progress.accepted, progress.remaining) == (sent, 0)
    report(
        f"claim, members, record ({workers} batches at a time)",
        f"{sent / wall:,.0f}/s, {cpu / sent * 1e6:.1f} us CPU each ({sent / cpu:,.0f} per CPU second)",
        ">= 50,000/s",
    )


async def register(database: Database, count: int, at_once: int, visitors: Visitors) -> None:
    waiting = iter([visitors.next() for _ in range(count)])

    async def client() -> None:
        for id, new in waiting:
            await database.write(lambda tx, id=id, new=new: subscriptions.register(tx, SITE, id, new, now()))  # type: ignore[misc]

    watch = Stopwatch()
    await asyncio.gather(*(client() for _ in range(at_once)))
    wall, cpu = watch.read()
    report(
        f"register, {at_once} at once, durable",
        f"{count / wall:,.0f}/s, {cpu / count * 1e6:.0f} us CPU each ({count / cpu:,.0f} per CPU second)",
        ">= 3,000/s",
    )


async def display(database: Database, message_id: int, count: int, at_once: int) -> None:
    page = await database.read(lambda tx: subscriptions.audience_step(tx, SITE, 0, 2**62, count))
    waiting = iter([id for id, _ in page])

    async def client() -> int:
        counted = 0
        for id in waiting:
            event = Event(SITE, message_id, id, 0, EventKind.DISPLAYED, None, now())
            first = await database.write(lambda tx, event=event: events.record(tx, [event]))  # type: ignore[misc]
            counted = counted + first
        return counted

    watch = Stopwatch()
    assert sum(await asyncio.gather(*(client() for _ in range(at_once)))) == len(page)
    wall, cpu = watch.read()
    report(
        f"events one by one, {at_once} at once, durable",
        f"{count / wall:,.0f}/s, {cpu / count * 1e6:.0f} us CPU each ({count / cpu:,.0f} per CPU second)",
    )
    clicks = [Event(SITE, message_id, id, 0, EventKind.CLICKED, None, now()) for id, _ in page]
    watch = Stopwatch()
    for start in range(0, len(clicks), 500):
        some = clicks[start : start + 500]
        await database.write(lambda tx, some=some: events.record(tx, some))  # type: ignore[misc]
    wall, cpu = watch.read()
    report("events, 500 in a call", f"{count / wall:,.0f}/s, {cpu / count * 1e6:.1f} us CPU each")


async def learn(database: Database) -> None:
    watch, learnt, longest = Stopwatch(), 0, 0.0
    while found := await database.read(lambda tx: habits.waiting(tx, 20_000)):
        for start in range(0, len(found), 1_000):
            some, began = found[start : start + 1_000], time.perf_counter()
            learnt += await database.write(lambda tx, some=some: habits.learn(tx, some))  # type: ignore[misc]
            longest = max(longest, time.perf_counter() - began)
    wall, cpu = watch.read()
    report(
        "what they tell of visitors, learnt", f"{learnt / wall:,.0f}/s, {cpu / learnt * 1e6:.1f} us CPU each"
    )
    report("  longest write transaction of it", f"{longest * 1e3:.0f} ms")


@asynccontextmanager
async def opened(url: str | None) -> AsyncIterator[tuple[Database, Path | None]]:
    with tempfile.TemporaryDirectory(prefix="gateway-load-") as directory:
        path = None if url else Path(directory) / "gateway.sqlite3"
        database = await open_database(url or f"sqlite:///{path}", migrate=True)
        try:
            yield database, path
        finally:
            await database.close()


async def main() -> None:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--database", help="an empty PostgreSQL database; SQLite without")
    parser.add_argument("--subscriptions", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=16)
    options = parser.parse_args()
    visitors, ids = Visitors(1), IdSource(now, secrets.randbits)
    async with opened(options.database) as (database, path):
        report("database", database.dialect, f"{os.cpu_count()} cores")
        await fill(database, options.subscriptions, visitors)
        size(path, options.subscriptions)
        message_id = ids.next()
        await freeze(database, message_id, ids)
        await read_members(database)
        await send(database, message_id, options.workers)
        await register(database, 20_000, 500, visitors)
        await display(database, message_id, 20_000, 500)
        await learn(database)


if __name__ == "__main__":
    uvloop.run(main())
