"""One round: a broadcast to everybody, faults in the middle of it, and what became of everybody."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from loadtest.chaos.audience import Audience, batches_left, deliveries_of, subscribe, subscribe_late
from loadtest.chaos.faults import Havoc, Moment
from loadtest.chaos.stand import Stand
from loadtest.chaos.verdict import Verdict, judge
from loadtest.chaos.watch import Watch
from storage.errors import StorageUnavailable
from storage.ids import Kind, decode_id

LATE = 200  # subscribers who come after the freeze
CANCEL_WITHIN = 1.0  # seconds from the answer to a cancel until the last POST
MESSAGE = {
    "notification": {"title": "Everything must go", "body": "The winter sale ends tonight at midnight."},
    "options": {"ttl": 86_400},
    "audience": {"all": True},
    "priority": "bulk",
}


@dataclass(frozen=True, slots=True)
class Round:
    """What one round showed. `bound`: how many POSTs its kills may have repeated."""

    done: Sequence[str]
    kills: int
    bound: int
    verdict: Verdict
    looks: int
    refused: int
    longest_orphan: float
    seconds: float
    problems: Sequence[str]

    @property
    def faults(self) -> str:
        return ", ".join(
            f"{count} × {what}" if count > 1 else what for what, count in Counter(self.done).items()
        )

    def __str__(self) -> str:
        """A line of the table, without the round's own number."""
        verdict = self.verdict
        cells = [
            self.faults or "none",
            f"{self.kills}",
            f"{verdict.audience:,}",
            f"{verdict.posted:,}",
            f"{verdict.lost}",
            f"{verdict.repeated:,}",
            f"{self.bound:,}",
            "yes" if verdict.exact else "NO",
            f"{self.looks:,}",
            f"{self.longest_orphan:.1f}",
            f"{self.seconds:.0f}",
            "; ".join(self.problems) or "ok",
        ]
        return " | ".join(cells) + " |"


HEAD = (
    "| round | faults | processes killed | audience | POSTs | lost | repeated | bound | counters exact "
    "| looks | longest orphan, s | seconds | verdict |\n"
    "|---|---|---:|---:|---:|---:|---:|---:|---|---:|---:|---:|---|"
)


@dataclass
class Broadcast:
    """A message on its way to everybody, watched."""

    stand: Stand
    audience: Audience
    watch: Watch
    message_id: int
    path: str

    async def posted(self, share: float) -> None:
        """Until this share of the audience was POSTed to, or it is over."""
        wanted = share * len(self.audience.ids)
        await self._until(lambda: self.stand.sink.count() >= wanted or self.watch.ended)

    async def frozen(self) -> None:
        await self._until(lambda: self.watch.frozen)

    async def over(self, within: float) -> bool:
        """Wait for the end; False when it did not come within so many seconds."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._until(lambda: self.watch.ended), within)
        return self.watch.ended

    async def _until(self, true: Callable[[], bool]) -> None:
        """What is waited for happens in other processes: nothing here could set an event."""
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@asynccontextmanager
async def broadcast(stand: Stand, subscribers: int) -> AsyncIterator[Broadcast]:
    """Subscribers are there, the message is accepted; it is watched until the block ends."""
    audience = await subscribe(stand.database_url, stand.site_id, stand.sink, subscribers)
    message = await stand.gateways[0].call("POST", f"/v1/sites/{stand.site}/messages", MESSAGE)
    path = f"/v1/sites/{stand.site}/messages/{message['id']}"
    watch = Watch(stand.gateways, path)
    watching = asyncio.create_task(watch.run(), name="chaos-watch")
    try:
        yield Broadcast(stand, audience, watch, decode_id(Kind.MESSAGE, message["id"]), path)
    finally:
        if watching.done():
            watching.result()  # raises what ended it
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def run_kills(
    stand: Stand, subscribers: int, moments: Sequence[Moment], seed: int, *, hurry: bool, within: float = 400
) -> Round:
    """Faults at their moments, then wait until it is over, settle, and stop everything in order."""
    havoc = Havoc(stand.gateways, stand.database_url, stand.postgres, random.Random(seed), hurry)
    async with broadcast(stand, subscribers) as sending:
        began = time.monotonic()
        late = asyncio.create_task(_come_late(sending), name="chaos-late")
        for moment in moments:
            await sending.posted(moment.share)
            await havoc.inflict(moment.fault)
        ended = await sending.over(within)
        await late
        await havoc.settle()
        for gateway in stand.gateways:
            await sending.watch.look(gateway)
        seconds = time.monotonic() - began
    problems = await stop(stand)
    return await conclude(sending, havoc, ended, seconds, problems)


async def run_cancel(stand: Stand, subscribers: int, share: float) -> Round:
    """Cancel in the middle; nothing may arrive at the push service a second later."""
    havoc = Havoc(stand.gateways, stand.database_url, stand.postgres, random.Random(0), hurry=False)
    async with broadcast(stand, subscribers) as sending:
        began = time.monotonic()
        await sending.frozen()
        await sending.posted(share)
        answer = await stand.gateways[0].call("POST", f"{sending.path}/cancel")
        cancelled_at = time.time()
        ended = await sending.over(60)
        seconds = time.monotonic() - began
    problems = await stop(stand)
    if answer["state"] != "cancelled":
        problems.append(f"the state after a cancel was {answer['state']}")
    last = max(post.at for post in stand.sink.posts()) - cancelled_at
    if last > CANCEL_WITHIN:
        problems.append(f"the last POST came {last:.2f} s after the cancel")
    havoc.done.append("cancel")
    return await conclude(sending, havoc, ended, seconds, problems, cancelled=True)


async def conclude(
    sending: Broadcast,
    havoc: Havoc,
    ended: bool,
    seconds: float,
    problems: Sequence[str],
    *,
    cancelled: bool = False,
) -> Round:
    """Compare what everybody says. The gateways have been stopped."""
    stand, watch = sending.stand, sending.watch
    rows = await deliveries_of(stand.database_url, stand.site_id, sending.message_id)
    verdict = judge(sending.audience, rows, stand.sink.posts(), watch.message, cancelled=cancelled)
    left = await batches_left(stand.database_url, sending.message_id)
    verdict.expect(ended, f"it did not end: {watch.message.get('state')} {watch.progress}")
    verdict.expect(left == 0, f"{left} batches are left")
    verdict.expect(verdict.repeated <= havoc.may_repeat, "more was repeated than the bound")
    verdict.expect(watch.looks > 0, "nobody saw any progress")
    return Round(
        done=havoc.done,
        kills=havoc.kills,
        bound=havoc.may_repeat,
        verdict=verdict,
        looks=watch.looks,
        refused=watch.refused,
        longest_orphan=havoc.longest_orphan,
        seconds=seconds,
        problems=[*verdict.problems, *watch.violations[:5], *havoc.violations, *problems],
    )


async def stop(stand: Stand) -> list[str]:
    """SIGTERM as a service manager sends it, to the parent; what is wrong with how it ended."""
    problems = []
    for gateway in stand.gateways:
        code = await gateway.stop(everybody=False)
        if code != 0 or gateway.processes():
            problems.append(f"SIGTERM: exit code {code}, left over: {gateway.processes()}")
    return problems


async def _come_late(sending: Broadcast) -> None:
    """As soon as the audience is frozen; again, should a fault hit the database at that very moment."""
    stand = sending.stand
    await sending.frozen()
    while True:
        try:
            await subscribe_late(stand.database_url, stand.site_id, stand.sink, LATE)
        except StorageUnavailable:
            await asyncio.sleep(0.2)
        else:
            return
