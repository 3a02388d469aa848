"""Rounds in which the sending halts and goes on: a message is paused, or a sender's process stands still."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.webpush.curl import STREAMS_PER_CONNECTION
from loadtest.chaos.faults import Fault, Havoc
from loadtest.chaos.gateway import Refused
from loadtest.chaos.rounds import Broadcast, Round, broadcast, conclude, stop
from loadtest.chaos.sink import TRY_LATER, Post
from loadtest.chaos.stand import Stand

PAUSE_WITHIN = 1.0  # seconds from the answer to a pause until the last POST
SHORTEST, LONGEST = 1.2, 3.0  # seconds of a pause
# What a sender has at hand when it is stopped, and has not written to a socket: it waits for a stream.
AT_HAND = STREAMS_PER_CONNECTION
KILL_WITHIN = 0.6  # seconds from the moment at which a pause is asked for


@dataclass(frozen=True, slots=True, order=True)
class Pause:
    """Asked for when this share of the audience was POSTed to; a sender may be killed about then, too."""

    share: float
    seconds: float
    kill_after: float | None = None


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing may arrive later than PAUSE_WITHIN after `paused_at`, and before `resumed_at`."""

    paused_at: float
    resumed_at: float

    def broken_by(self, posts: Sequence[Post]) -> list[float]:
        """How long after the pause was answered those came that should not."""
        begin = self.paused_at + PAUSE_WITHIN
        return [post.at - self.paused_at for post in posts if begin < post.at < self.resumed_at]


def draw_pauses(chance: random.Random, count: int) -> list[Pause]:
    """In order; half of them with a kill."""
    return sorted(
        Pause(
            chance.uniform(0.0, 0.9),
            chance.uniform(SHORTEST, LONGEST),
            chance.uniform(0.0, KILL_WITHIN) if chance.random() < 0.5 else None,
        )
        for _ in range(count)
    )


async def run_pauses(
    stand: Stand, subscribers: int, pauses: Sequence[Pause], seed: int, *, within: float = 400
) -> Round:
    """Pause and resume through the API; in between nothing may arrive, in the end nobody may be missing."""
    chance = random.Random(seed)
    havoc = Havoc(stand.gateways, stand.database_url, stand.postgres, chance, hurry=False)
    silences = []
    async with broadcast(stand, subscribers) as sending:
        began = time.monotonic()
        for pause in pauses:
            await sending.posted(pause.share)
            kill = asyncio.create_task(_kill(havoc, pause), name="chaos-kill")
            silences.append(await _pause(sending, havoc, pause))
            await kill
        ended = await sending.over(within)
        await havoc.settle()
        seconds = time.monotonic() - began
    problems = await stop(stand)
    posts = stand.sink.posts()
    for silence in silences:
        late = silence.broken_by(posts)
        if late:
            problems.append(f"{len(late)} POSTs during a pause, the last {max(late):.2f} s after its answer")
    return await conclude(sending, havoc, ended, seconds, problems)


async def run_standstill(stand: Stand, subscribers: int, share: float, seed: int) -> Round:
    """SIGSTOP a sender until its leases are over, SIGCONT. Others have sent to all that it held by then, and
    repeated what it had in flight: it may repeat no more than it had at hand."""
    havoc = Havoc(stand.gateways, stand.database_url, stand.postgres, random.Random(seed), hurry=False)
    async with broadcast(stand, subscribers) as sending:
        began = time.monotonic()
        await sending.posted(share)
        await havoc.inflict(Fault.PAUSE_SENDER)
        await havoc.settle()
        ended = await sending.over(400)
        seconds = time.monotonic() - began
    problems = await stop(stand)
    again = sent_again(stand.sink.posts(), havoc.woken_at)
    havoc.done.append(f"{again} repeated after it woke")
    if again > AT_HAND:
        problems.append(f"the sender that woke repeated {again}")
    return await conclude(sending, havoc, ended, seconds, problems)


async def _pause(sending: Broadcast, havoc: Havoc, pause: Pause) -> Silence:
    havoc.done.append("pause and resume")
    await _tell(sending, havoc, "pause", ("paused",))
    paused_at = time.time()
    await asyncio.sleep(pause.seconds)
    resumed_at = time.time()
    # All of them may have been in flight at the pause: then it is sent when the answers are in.
    await _tell(sending, havoc, "resume", ("scheduled", "sending", "sent"))
    return Silence(paused_at, resumed_at)


async def _tell(sending: Broadcast, havoc: Havoc, what: str, wanted: Sequence[str]) -> None:
    """Until it is so: an answer may get lost."""
    gateway = havoc.chance.choice(havoc.gateways)
    while True:
        try:
            message = await gateway.call("GET", sending.path)
            if message["state"] in wanted:
                return
            message = await gateway.call("POST", f"{sending.path}/{what}")
            assert message["state"] in wanted, message
        except Refused:
            await asyncio.sleep(0.05)
        else:
            return


async def _kill(havoc: Havoc, pause: Pause) -> None:
    if pause.kill_after is not None:
        await asyncio.sleep(pause.kill_after)
        await havoc.inflict(Fault.KILL_SENDER)


def sent_again(posts: Sequence[Post], woken_at: Sequence[float]) -> int:
    """POSTs that came when a stopped sender had woken, to people who had their final answer before."""
    (woke,) = woken_at
    answered = {post.number for post in posts if post.at < woke and post.status not in (*TRY_LATER, 499)}
    return sum(post.at >= woke and post.number in answered for post in posts)
