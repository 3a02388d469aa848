"""Everybody ends in exactly one outcome, whatever happens, and the counters add up at every moment.

A play is a list of things that happen to a broadcast: push services answer anything or nothing, senders are
stopped or killed, the database goes away, people leave, the message is paused, held or cancelled, its key is
paused, quiet hours begin and end for some. Then everything heals, and
all of it has to end.
"""

import asyncio
import random
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.delivery.limits import SenderLimits
from gateway.delivery.sender import Sender
from gateway.keys import end_wait
from gateway.metrics import Metrics
from gateway.webpush import PushRequest, Reply
from storage import keys, messages, subscriptions, throttles
from storage.database import Transaction
from storage.deliveries import Outcome
from storage.keys import KeyState
from storage.messages import MessageState
from storage.subscriptions import SubscriptionState
from tests.fakes.flaky_database import FlakyDatabase
from tests.fakes.transport import CREATED, FakeTransport
from tests.unit.installation import ENDPOINTS, Installation, open_installation
from tests.unit.sending import POLICY, expire_leases, finish, start_due

LIMITS = SenderLimits(
    in_flight=40, read_ahead=60, poll=0.002, stop_within=2.0, flush_after=0.02, look_every=0.01
)
TTL = 90  # longer than a paused key is waited for
REPLIES = [
    *[CREATED] * 8,
    Reply(410),
    Reply(404),
    Reply(403),
    Reply(413),
    Reply(400),
    Reply(429, [b"Retry-After: 9\r\n"]),
    Reply(503),
    Reply(0, error="reset"),
    None,
    None,
]
OUTCOMES = {
    201: Outcome.ACCEPTED,
    410: Outcome.GONE,
    404: Outcome.GONE,
    403: Outcome.UNAUTHORIZED,
    413: Outcome.TOO_LARGE,
    400: Outcome.REJECTED,
}
HAPPENINGS = [
    *["start", "work", "wait"] * 2,
    *["work", "kill", "stop", "answer", "outage", "leave", "finish", "cancel"],
    *["pause", "resume", "hold", "release", "pause_key", "activate_key"],
    *["edge"] * 2,
]
# It is midnight in UTC when a play begins. Elsewhere it never comes to that minute.
NIGHT = ("00:01", "00:02")
SLEEPER, AWAKE = "UTC", "Asia/Tokyo"
MINUTE = 60_000


class Play:
    """One broadcast, at most one sender, and what the push services have said to whom."""

    def __init__(self, installation: Installation, seed: int, ids: list[int], message_id: int) -> None:
        self.installation = installation
        self.random = random.Random(seed)
        self.ids = ids
        self.message_id = message_id
        self.database = FlakyDatabase(installation.database)
        self.transport = FakeTransport(self.reply)
        self.said: defaultdict[str, set[int]] = defaultdict(set)
        self.posts: Counter[str] = Counter()
        self.ended: dict[int, Outcome] = {}
        self.stop_asked = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.healed = False
        self.last_posts: dict[str, int] = {}  # of those who had an outcome while nobody was sending
        self.sleepers: frozenset[str] = frozenset()  # endpoints whose quiet hours come
        self.woken: list[str] = []

    def reply(self, request: PushRequest) -> Reply | None:
        self.posts[request.url] += 1
        if request.url in self.sleepers and self.installation.clock.now() // MINUTE % 1_440 == 1:
            self.woken.append(request.url)
        reply = CREATED if self.healed else self.random.choice(REPLIES)
        if reply is not None:
            self.said[request.url].add(reply.status)
        return reply

    async def happen(self, what: str) -> None:
        await getattr(self, what)()
        await self.look()

    async def start(self) -> None:
        if self.task is None:
            await self.look()
            for number, id in enumerate(self.ids, start=1):
                if id in self.ended:
                    url = ENDPOINTS["fcm"].format(number)
                    self.last_posts.setdefault(url, self.posts[url])
            self.launch()

    def launch(self) -> None:
        self.transport = FakeTransport(self.reply)
        self.stop_asked = asyncio.Event()
        self.task = self.run_sender(self.transport, self.database, self.stop_asked)

    def run_sender(
        self, transport: FakeTransport, database: FlakyDatabase, stop: asyncio.Event
    ) -> asyncio.Task[None]:
        context = replace(self.installation.context, database=database)
        owner = f"sender-{self.random.random()}"
        made = Sender(context, transport, owner, Metrics(), LIMITS, POLICY, self.random.random)
        return asyncio.create_task(made.run(stop))

    async def work(self) -> None:
        await asyncio.sleep(self.random.choice((0, 0.005, 0.03)))

    async def kill(self) -> None:
        """As kill -9: neither posts nor answers, no flush, no release; its leases run out."""
        if self.task is not None:
            self.transport.die()
            self.task.cancel()
            with suppress(asyncio.CancelledError):
                await self.task
            self.task = None
            await self.installation.database.write(nothing)  # what it had asked for may still be committed
            await expire_leases(self.installation)

    async def stop(self) -> None:
        if self.task is not None:
            self.stop_asked.set()
            self.answer_pending()
            await self.task
            self.task = None

    async def answer(self) -> None:
        self.answer_pending()

    def answer_pending(self) -> None:
        self.transport.answer_each(self.accept)

    def accept(self, request: PushRequest) -> Reply:
        self.said[request.url].add(201)
        return CREATED

    async def wait(self) -> None:
        self.installation.clock.advance(self.random.choice((1, 3, 10)))

    async def edge(self) -> None:
        """The very moment at which quiet hours may begin or end, or the one before it."""
        now = self.installation.clock.now()
        to_edge = MINUTE - now % MINUTE
        self.installation.clock.advance((to_edge - self.random.choice((0, 1)) if to_edge > 1 else 1) / 1_000)

    async def outage(self) -> None:
        self.database.down = True
        await asyncio.sleep(0.02)
        self.database.down = False

    async def leave(self) -> None:
        site_id, now = self.installation.site.id, self.installation.clock.now()
        id = self.random.choice(self.ids)

        async def body(tx: Transaction) -> None:
            if await subscriptions.by_ids(tx, site_id, [id]):
                await subscriptions.end(tx, site_id, id, SubscriptionState.UNSUBSCRIBED, now)

        await self.installation.database.write(body)

    async def finish(self) -> None:
        await finish(self.installation)

    async def cancel(self) -> None:
        if self.random.random() < 0.3:
            now = self.installation.clock.now()
            await self.installation.database.write(
                lambda tx: messages.transition(
                    tx, self.message_id, {MessageState.SENDING}, MessageState.CANCELLED, None, now
                )
            )

    async def pause(self) -> None:
        await self.change(MessageState.SENDING, MessageState.PAUSED)

    async def resume(self) -> None:
        await self.change(MessageState.PAUSED, MessageState.SENDING)

    async def change(self, before: MessageState, after: MessageState) -> None:
        now = self.installation.clock.now()
        await self.installation.database.write(
            lambda tx: messages.transition(tx, self.message_id, {before}, after, None, now)
        )

    async def hold(self) -> None:
        now = self.installation.clock.now()
        site_id = self.random.choice((throttles.EVERY_SITE, self.installation.site.id))
        await self.installation.database.write(
            lambda tx: throttles.hold(tx, site_id, "fcm", now + 20_000, "test", now)
        )

    async def release(self) -> None:
        async def body(tx: Transaction) -> None:
            for site_id in (throttles.EVERY_SITE, self.installation.site.id):
                await throttles.release(tx, site_id, "fcm")

        await self.installation.database.write(body)

    async def pause_key(self) -> None:
        await self.set_key(KeyState.ACTIVE, KeyState.PAUSED)

    async def activate_key(self) -> None:
        await self.set_key(KeyState.PAUSED, KeyState.ACTIVE)
        await end_wait(self.installation.context, self.installation.site.id)

    async def set_key(self, before: KeyState, after: KeyState) -> None:
        key_id = self.installation.key.id
        await self.installation.database.write(lambda tx: keys.set_state(tx, key_id, before, after, None))

    async def look(self) -> None:
        """The sum holds (checked where progress is read), and an outcome never changes."""
        progress = await self.installation.progress(self.message_id)
        assert progress is not None
        assert progress.audience == len(self.ids)
        assert not self.woken
        rows = await self.installation.deliveries(self.message_id)
        for id, outcome in self.ended.items():
            assert rows[id].outcome is outcome
        self.ended = {id: row.outcome for id, row in rows.items() if row.outcome is not None}

    async def heal(self) -> None:
        """Push services take everything; go on until nothing is left to do."""
        self.healed = True
        self.answer_pending()
        for what in ("resume", "release", "activate_key", "start"):
            await self.happen(what)
        for _ in range(200):
            await asyncio.sleep(0.02)
            self.answer_pending()
            await finish(self.installation)
            await self.look()
            if await self.installation.batches_left(self.message_id) == 0:
                break
            self.installation.clock.advance(1)
        await self.stop()
        await finish(self.installation)
        await self.look()

    async def check_the_end(self) -> None:
        installation = self.installation
        progress = await installation.progress(self.message_id)
        assert progress is not None
        assert (progress.remaining, progress.retrying) == (0, 0)
        rows = await installation.deliveries(self.message_id)
        assert set(rows) <= set(self.ids)
        counted = Counter(row.outcome for row in rows.values())
        assert counted[Outcome.ACCEPTED] == progress.accepted
        assert counted[Outcome.GONE] == progress.gone
        assert counted[Outcome.EXPIRED] == progress.expired
        without_a_row = len(self.ids) - len(rows)
        assert counted[Outcome.SKIPPED] + without_a_row == progress.skipped
        assert progress.skips.get("cancelled", 0) >= without_a_row
        for number, id in enumerate(self.ids, start=1):
            outcome = rows[id].outcome if id in rows else Outcome.SKIPPED
            said = {
                OUTCOMES[status]
                for status in self.said[ENDPOINTS["fcm"].format(number)]
                if status in OUTCOMES
            }
            never_answered = {Outcome.SKIPPED, Outcome.EXPIRED}
            assert outcome in said | never_answered
        for url, posts in self.last_posts.items():
            assert self.posts[url] == posts, "somebody who had an outcome was sent to again"
        state = (await installation.message(self.message_id)).state
        assert state in (MessageState.SENT, MessageState.CANCELLED)


async def nothing(tx: Transaction) -> None:
    """A body that only waits for its turn."""


@given(
    seed=st.integers(0, 2**32),
    size=st.integers(1, 130),
    happenings=st.lists(st.sampled_from(HAPPENINGS), max_size=14),
    nights=st.booleans(),
)
@example(0, 120, ["start", "pause", "work", "answer", "resume", "work", "kill", "start"], False)
@example(1, 120, ["start", "hold", "work", "answer", "kill", "start", "release", "work"], False)
@example(2, 120, ["start", "pause_key", "work", "answer", "wait", "kill", "start", "work"], False)
@example(0, 60, ["start", "work", "work", "work", "work", "kill"], False)
@example(3, 120, ["start", "work", "edge", "answer", "work", "kill", "start", "work", "edge", "answer"], True)
@example(4, 120, ["edge", "start", "work", "kill", "start", "work", "edge", "edge", "work"], True)
@example(5, 120, ["start", "work", "pause_key", "edge", "activate_key", "work", "edge", "work"], True)
@settings(max_examples=25, deadline=None)
async def test_everybody_ends_in_exactly_one_outcome(
    seed: int, size: int, happenings: list[str], nights: bool
) -> None:
    with TemporaryDirectory() as folder:
        async with open_installation(f"sqlite:///{folder}/gateway.db", Path(folder)) as installation:
            sleepers = size // 2 if nights else 0
            ids = await installation.subscribe(sleepers, timezone=SLEEPER)
            ids += await installation.subscribe(size - sleepers, timezone=AWAKE)
            if nights:
                await installation.set_quiet_hours(*NIGHT)
            message = await installation.add_message(ttl=TTL)
            await start_due(installation, step=50)
            play = Play(installation, seed, ids, message.id)
            play.sleepers = frozenset(ENDPOINTS["fcm"].format(number) for number in range(1, sleepers + 1))
            try:
                for what in happenings:
                    await play.happen(what)
                await play.heal()
                await play.check_the_end()
            finally:
                await play.kill()
