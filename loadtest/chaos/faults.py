"""What befalls a gateway, and when: drawn by chance from a seed, done to real processes."""

import asyncio
import random
import signal
import sqlite3
import time
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.delivery.limits import SenderLimits
from gateway.delivery.recorder import FULL
from loadtest.chaos import processes
from loadtest.chaos.audience import opened
from loadtest.chaos.gateway import READY_WITHIN, REFUSED_TO_START, Gateway
from loadtest.chaos.postgres import Postgres
from loadtest.chaos.processes import Process
from storage import batches
from storage.database import Transaction
from storage.queries import Query

LIMITS = SenderLimits()
# What one kill may repeat: POSTed and not answered, or answered and not recorded.
REPEATS = LIMITS.in_flight + FULL
BEYOND_THE_LEASE = LIMITS.lease + 5
ORPHANS_WITHIN = LIMITS.stop_within + LIMITS.record_within + 5  # seconds: a child finishes, and records
_LEADERSHIP_OVER = Query("chaos.leadership_over", *["update leases set until = 0"] * 2)
_GIVEN_BACK = Query(
    "chaos.given_back", *["select count(*) from batches where lease_owner is null and leases > 0"] * 2
)


class Fault(StrEnum):
    KILL_SENDER = "kill a sender"
    KILL_API = "kill the API process"
    KILL_ALL = "kill everything"
    STOP_ALL = "SIGTERM to everything"
    PAUSE_SENDER = "SIGSTOP a sender beyond its lease"
    KILL_GATEWAY = "kill one of two gateways"
    RESTART_DATABASE = "restart the database"
    READ_ONLY = "make the database read-only"


ON_SQLITE = (Fault.KILL_SENDER, Fault.KILL_API, Fault.KILL_ALL, Fault.STOP_ALL, Fault.PAUSE_SENDER)
ON_POSTGRES = (*ON_SQLITE, Fault.KILL_GATEWAY, Fault.RESTART_DATABASE, Fault.READ_ONLY)
OUTAGES = frozenset({Fault.RESTART_DATABASE, Fault.READ_ONLY})
READ_ONLY_FOR = 2.0  # seconds


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """A fault, due when this share of the audience was POSTed to."""

    share: float
    fault: Fault


def draw(chance: random.Random, faults: Sequence[Fault], count: int) -> list[Moment]:
    """`count` moments in order. A pause is long, so there is one at most, and rather early."""
    chosen = [chance.choice(faults) for _ in range(count)]
    moments = [
        Moment(chance.uniform(0.0, 0.97), fault) for fault in chosen if fault is not Fault.PAUSE_SENDER
    ]
    if len(moments) < count:
        moments.append(Moment(chance.uniform(0.05, 0.5), Fault.PAUSE_SENDER))
    return sorted(moments)


@dataclass
class Havoc:
    """Does it, and keeps the account: how many processes were killed, and what that may repeat.

    `hurry`: leases of those that were killed run out at once. Otherwise they are waited for, as in real life.
    """

    gateways: Sequence[Gateway]
    database_url: str
    postgres: Postgres | None
    chance: random.Random
    hurry: bool
    done: list[str] = field(default_factory=list)
    kills: int = 0
    may_repeat: int = 0
    longest_orphan: float = 0.0
    violations: list[str] = field(default_factory=list)
    woken_at: list[float] = field(default_factory=list)  # seconds since the epoch: paused senders went on
    _pauses: list[asyncio.Task[None]] = field(default_factory=list)
    _dead: set[str] = field(default_factory=set)  # owners
    _paused: set[int] = field(default_factory=set)  # process ids

    async def inflict(self, fault: Fault) -> None:
        """Returns when it is done and the gateway starts anew; a paused sender goes on later."""
        self.done.append(fault.value)
        match fault:
            case Fault.KILL_SENDER:
                await self._kill([await self._a_sender()])
            case Fault.PAUSE_SENDER:
                sender = await self._a_sender()
                self._pauses.append(asyncio.create_task(self._pause(sender), name="chaos-pause"))
            case Fault.KILL_API:
                await self._kill_api(self._a_gateway())
            case Fault.KILL_GATEWAY:
                await self._kill_gateways([self._a_gateway()])
            case Fault.KILL_ALL:
                await self._kill_gateways(self.gateways)
            case Fault.STOP_ALL:
                await self._stop_all()
            case Fault.RESTART_DATABASE:
                await self._server().restart()
            case Fault.READ_ONLY:
                await self._server().set_read_only(True)
                await asyncio.sleep(READ_ONLY_FOR)
                await self._server().set_read_only(False)

    async def settle(self) -> None:
        """Wait for pauses to end and for every gateway to have its processes: no orphan, none twice."""
        await asyncio.gather(*self._pauses)
        for gateway in self.gateways:
            await gateway.ready()
            within = asyncio.get_running_loop().time() + ORPHANS_WITHIN
            while (found := _family(gateway)) is not None:
                if asyncio.get_running_loop().time() > within:
                    self.violations.append(f"processes of a gateway: {found}")
                    break
                await asyncio.sleep(0.1)
            self._check_exits(gateway)

    def _check_exits(self, gateway: Gateway) -> None:
        """It ends when it is told to or killed; at most it refuses to start while the database is away."""
        allowed = {0, -signal.SIGKILL}
        if OUTAGES & set(self.done):
            allowed.add(REFUSED_TO_START)
        elif "Traceback" in (text := gateway.log.read_text()):
            said = text[text.index("Traceback") :].splitlines()
            self.violations.append(f"there is a traceback in {gateway.log}: … " + " / ".join(said[:40]))
        if not allowed.issuperset(gateway.exits):
            self.violations.append(f"exit codes {gateway.exits}")

    async def _kill(self, victims: Collection[Process]) -> None:
        processes.send_signal(victims, signal.SIGKILL)
        self.kills += len(victims)
        killed = {each.owner for each in victims if each.owner is not None}
        self.may_repeat += REPEATS * len(killed)
        self._dead |= killed

    async def _kill_api(self, gateway: Gateway) -> None:
        """Its children notice and end by themselves; meanwhile another gateway starts in its place."""
        parent = await gateway.living()
        orphans = {each.pid for each in gateway.processes() if each.parent == parent}
        await self._kill([Process(parent, 0, None)])
        await self.skip_leases()
        loop = asyncio.get_running_loop()
        died_at = loop.time()
        # One that SIGSTOP holds can do nothing yet: `settle` looks again.
        while left := orphans.intersection(each.pid for each in gateway.processes()) - self._paused:
            self.longest_orphan = max(self.longest_orphan, loop.time() - died_at)
            if self.longest_orphan > ORPHANS_WITHIN:
                self.violations.append(f"children of a dead parent still live: {left}")
                return
            await asyncio.sleep(0.05)

    async def _kill_gateways(self, gateways: Sequence[Gateway]) -> None:
        for gateway in gateways:
            await gateway.living()
        victims = [each for gateway in gateways for each in gateway.processes()]
        await self._kill(victims)
        await self.skip_leases()

    async def _stop_all(self) -> None:
        for gateway in self.gateways:
            await gateway.ready()  # before it has set up its signal handlers, SIGTERM is a kill
        codes = await asyncio.gather(*(gateway.stop(everybody=True) for gateway in self.gateways))
        if any(codes):
            self.violations.append(f"SIGTERM ended gateways with {codes}")
        for gateway in self.gateways:
            await gateway.start()

    async def _pause(self, sender: Process) -> None:
        """What it had in flight when it was stopped is repeated by whoever takes its batches over."""
        self._paused.add(sender.pid)
        self.may_repeat += REPEATS
        processes.send_signal([sender], signal.SIGSTOP)
        if self.hurry and sender.owner is not None:
            # It cannot know that its lease was ended early, and goes on with what it has read.
            self.may_repeat += LIMITS.read_ahead + batches.MAX_MEMBERS
            while self._holds_the_lock():
                processes.send_signal([sender], signal.SIGCONT)
                await asyncio.sleep(0.01)
                processes.send_signal([sender], signal.SIGSTOP)
            await self._release({sender.owner})
            await self._taken_over()
        else:
            await asyncio.sleep(BEYOND_THE_LEASE)
        self.woken_at.append(time.time())
        processes.send_signal([sender], signal.SIGCONT)
        self._paused.discard(sender.pid)

    def _holds_the_lock(self) -> bool:
        """Stopped in the middle of a transaction on SQLite, a sender lets nobody else write."""
        if self.postgres is not None:
            return False
        path = self.database_url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, timeout=0.3, isolation_level=None)) as connection:
            try:
                connection.execute("begin immediate")
                connection.execute("rollback")
            except sqlite3.OperationalError:
                return True
            return False

    async def _taken_over(self) -> None:
        """Until everything that was given back has been claimed by somebody else."""
        async with opened(self.database_url) as database, asyncio.timeout(READY_WITHIN):
            while (await database.read(lambda tx: tx.fetch(_GIVEN_BACK))) != [(0,)]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def _a_sender(self) -> Process:
        """One that lives, as soon as there is one."""
        async with asyncio.timeout(READY_WITHIN):
            while True:
                found = [each for gateway in self.gateways for each in processes.senders(gateway.mark)]
                if found:
                    return self.chance.choice(sorted(found, key=lambda each: each.pid))
                await asyncio.sleep(0.02)

    def _a_gateway(self) -> Gateway:
        return self.chance.choice(self.gateways)

    def _server(self) -> Postgres:
        if self.postgres is None:
            raise ValueError("this fault is for PostgreSQL")
        return self.postgres

    async def skip_leases(self) -> None:
        """A parent is dead: whatever it led, and what it had no time to give back for dead children, is
        free."""
        if self.hurry:
            await self._release(self._dead)
            async with opened(self.database_url) as database:
                await database.write(lambda tx: tx.execute(_LEADERSHIP_OVER))

    async def _release(self, owners: set[str]) -> None:
        async def body(tx: Transaction) -> None:
            for owner in owners:
                await batches.release_owner(tx, owner)

        async with opened(self.database_url) as database:
            await database.write(body)


def _family(gateway: Gateway) -> list[Process] | None:
    """None when there is exactly one parent with exactly its senders; otherwise what there is."""
    found = gateway.processes()
    children = [each for each in found if each.owner is not None and each.parent == gateway.parent]
    owners = {each.owner for each in children}
    expected = len(children) == len(owners) == gateway.senders and len(found) == 1 + gateway.senders
    return None if expected else found
