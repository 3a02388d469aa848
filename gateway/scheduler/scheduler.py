"""The scheduler: small jobs, each in a loop of its own, at work while this process leads.

The lease only saves work: every job changes messages by compare-and-set, so that two leaders at a time (when
the first was paused as a whole, say) do no harm.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.context import Context
from gateway.logs import Log
from gateway.metrics import Metrics
from gateway.scheduler.finisher import Finisher
from gateway.scheduler.freezer import Freezer
from gateway.scheduler.housekeeper import Housekeeper
from gateway.scheduler.learner import Learner
from gateway.scheduler.stager import Stager
from gateway.scheduler.starter import Starter
from gateway.scheduler.walker import Walker
from gateway.watch.watch import Watch
from storage import leases
from storage.errors import StorageUnavailable

log = Log(__name__)

LEASE = "scheduler"


@dataclass(frozen=True, slots=True)
class SchedulerTiming:
    """All in seconds."""

    lease: float = 10.0  # until another process takes over from a leader that died
    poll: float = 0.5  # between looks at the database when nothing wakes us
    walk_every: float = 0.5  # through automations: a look at each, not for every commit of a broadcast
    finish_every: float = 0.2  # finishing is a write: not for every commit of a running broadcast
    tidy_every: float = 60.0
    learn_every: float = 5.0  # what browsers reported is told to their subscriptions, many at a time
    stage_every: float = 0.5  # looks at the first parts of messages whose rest is held
    watch_every: float = 15.0  # looks at what processes say of themselves; at what sites send, once a minute


async def run_scheduler(
    context: Context,
    stop: asyncio.Event,
    *,
    owner: str,
    metrics: Metrics | None = None,
    timing: SchedulerTiming | None = None,
) -> None:
    """Run until `stop` is set; then give up the leadership and return.

    `owner` is unique to this process' life. Raises an ExceptionGroup when any job dies.
    """
    await Scheduler(context, owner, metrics or Metrics(), timing or SchedulerTiming()).run(stop)


class Scheduler:
    def __init__(self, context: Context, owner: str, metrics: Metrics, timing: SchedulerTiming) -> None:
        self._database = context.database
        self._clock = context.clock
        self._metrics = metrics
        self._owner = owner
        self._timing = timing
        self._leading = asyncio.Event()
        self._starter = Starter(context, metrics)
        self._freezer = Freezer(context, metrics)
        self._stager = Stager(context)
        self._finisher = Finisher(context, owner, metrics)
        self._walker = Walker(context, metrics)
        self._learner = Learner(context)
        self._housekeeper = Housekeeper(context)
        self._watch = Watch(context)

    async def run(self, stop: asyncio.Event) -> None:
        timing = self._timing
        async with asyncio.TaskGroup() as tasks:
            jobs = [
                tasks.create_task(self._lead(), name="scheduler-lead"),
                tasks.create_task(
                    self._repeat(self._starter.step, self._wait_for_work), name="scheduler-start"
                ),
                tasks.create_task(
                    self._repeat(self._freezer.step, self._wait_for_work), name="scheduler-freeze"
                ),
                tasks.create_task(
                    self._repeat(self._walker.step, lambda: asyncio.sleep(timing.walk_every)),
                    name="scheduler-walk",
                ),
                tasks.create_task(
                    self._repeat(self._finisher.step, lambda: asyncio.sleep(timing.finish_every)),
                    name="scheduler-finish",
                ),
                tasks.create_task(
                    self._repeat(self._stager.step, lambda: asyncio.sleep(timing.stage_every)),
                    name="scheduler-stage",
                ),
                tasks.create_task(
                    self._repeat(self._learner.step, lambda: asyncio.sleep(timing.learn_every)),
                    name="scheduler-learn",
                ),
                tasks.create_task(
                    self._repeat(self._housekeeper.step, lambda: asyncio.sleep(timing.tidy_every)),
                    name="scheduler-tidy",
                ),
                tasks.create_task(
                    self._repeat(self._watch.step, lambda: asyncio.sleep(timing.watch_every)),
                    name="scheduler-watch",
                ),
            ]
            await stop.wait()
            for job in jobs:
                job.cancel()
        if self._leading.is_set():
            await self._resign()

    async def _lead(self) -> None:
        """Hold the lease, or try to get it, three times within its length."""
        lease_ms = round(self._timing.lease * 1_000)
        while True:
            try:
                led = await self._database.write(lambda tx: leases.acquire(tx, LEASE, self._owner, lease_ms))
            except StorageUnavailable as exc:
                log.warning("storage.unavailable", hint=exc.hint)
                led = False
            if led and not self._leading.is_set():
                log.info("scheduler.leading", owner=self._owner)
                self._leading.set()
            elif not led:
                self._leading.clear()
            await asyncio.sleep(self._timing.lease / 3)

    async def _resign(self) -> None:
        try:
            await self._database.write(lambda tx: leases.release(tx, LEASE, self._owner))
        except StorageUnavailable as exc:
            log.warning("storage.unavailable", hint=exc.hint)

    async def _repeat(self, step: Callable[[], Awaitable[bool]], wait: Callable[[], Awaitable[None]]) -> None:
        """While leading: step after step as long as there is work, then wait for more."""
        while True:
            await self._leading.wait()
            try:
                worked = await step()
            except StorageUnavailable as exc:
                log.warning("storage.unavailable", hint=exc.hint)
                await asyncio.sleep(self._timing.poll)
                continue
            if not worked:
                await wait()

    async def _wait_for_work(self) -> None:
        await self._database.wait_for_work(self._timing.poll)
