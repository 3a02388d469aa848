"""The watch itself: looks, and raises and ends alerts. One for the gateway: the scheduler's leader runs it.

Two leaders at a time do no harm: an alert is raised once and ended once, by what the database holds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from msgspec import json

from gateway.context import Context
from gateway.logs import Log
from gateway.watch import vitals as facts
from gateway.watch.bands import DAY
from gateway.watch.everybody import Everybody
from gateway.watch.looks import Held, Key, Looks, Reading, Severity
from gateway.watch.names import (
    BEACONS_MISSING,
    CLICK_RATE,
    DISPLAY_RATE,
    FAILURE_RATE,
    PRUNE_RATE,
    QUOTA,
    WEBHOOK_DEAD,
    WEBHOOK_LAG,
)
from gateway.watch.of_sites import Customers
from gateway.watch.past import AT_ONCE, LATE, Ratios
from gateway.watch.processes import Process, Processes
from storage import alerts, outbox, vitals
from storage.alerts import Alert
from storage.database import Transaction
from storage.errors import StorageUnavailable
from storage.ids import Kind, encode_id

log = Log(__name__)

ROLLUPS_EVERY = 60_000  # ms between looks at what sites have sent; processes are looked at each time
GIVEN_UP = 14 * DAY  # since when it is raised: by then what it left is not what is usual any more
MOST_RAISED = 1_000
# Where nothing to be read means that nothing is wrong any more, after so many looks in a row.
_ABSENT: Mapping[str, int] = {FAILURE_RATE: 10, PRUNE_RATE: 10, WEBHOOK_LAG: 2, WEBHOOK_DEAD: 2, QUOTA: 1}


@dataclass(slots=True)
class Watch:
    context: Context
    rollups_every: int = ROLLUPS_EVERY
    _looks: Looks = field(default_factory=Looks)
    _processes: Processes = field(default_factory=Processes)
    _rollups_at: int = 0
    _ratios: Ratios = field(init=False)
    _everybody: Everybody = field(init=False)
    _customers: Customers = field(init=False)

    def __post_init__(self) -> None:
        database = self.context.database
        self._ratios, self._everybody = Ratios(database), Everybody(database)
        self._customers = Customers(database)

    async def step(self) -> bool:
        """One look at everything whose time has come. Always False: there is no more until the next.

        A mistake of ours is told and passed over: what watches for trouble must not stop what sends.
        """
        try:
            await self.look()
        except StorageUnavailable:
            raise
        except Exception as exc:
            log.error("watch.failed", hint="Nothing is noticed until this is put right.", cause=exc)
        return False

    async def look(self) -> None:
        """Once."""
        now = self.context.clock.now()
        raised = {_key(each): each for each in await self._raised()}
        readings = list(await self._look_at_processes(now))
        absent: list[Key] = []
        if now - self._rollups_at >= self.rollups_every or now < self._rollups_at:
            self._rollups_at = now
            near = {key.site_id for key in raised if key.name == QUOTA}
            readings += await self._ratios.failing(now)
            readings += await self._everybody.displays(now, LATE)
            readings += await self._ratios.settled(now)
            readings += await self._customers.look(now, near)
            seen = {each.key for each in readings}
            absent = [
                key
                for key in raised
                if key.name in _ABSENT
                and key not in seen
                and (self._ratios.all_failing or key.name not in AT_ONCE)
            ]
        await self._follow(readings, absent, raised, now)
        self._looks.forget_unseen(now - DAY)

    async def _look_at_processes(self, now: int) -> Sequence[Reading]:
        database = self.context.database

        async def body(tx: Transaction) -> tuple[Sequence[vitals.Vitals], bool]:
            return await vitals.seen_since(tx, now - facts.ALIVE), await vitals.anything_is_sending(tx)

        seen, sending = await database.read(body)
        found = [
            Process(each.owner, each.role, each.host, each.pid, facts.decode(each.facts)) for each in seen
        ]
        told = {each.owner: each.facts.answered for each in found if each.facts.answered}
        return [
            *self._processes.look(found, now, sending=sending),
            *await self._everybody.answers(now, told),
        ]

    async def _follow(
        self, readings: Iterable[Reading], absent: Iterable[Key], raised: Mapping[Key, Alert], now: int
    ) -> None:
        ended: set[Key] = set()
        for reading in readings:
            alert = raised.get(reading.key)
            if alert is None:
                # While everybody's reports stay away, no site is told that its display rate fell.
                hidden = reading.key.name in (DISPLAY_RATE, CLICK_RATE) and Key(BEACONS_MISSING) in raised
                if not hidden and self._looks.to_raise(reading, now):
                    await self._raise(reading, now)
            elif (
                reading.key not in ended
                and _is_comparable(alert, reading)
                and self._looks.to_end(reading, _held(alert, reading, now), now)
            ):
                ended.add(reading.key)
                await self._end(alert, now)
        for key in absent:
            nothing = Reading(key, Severity.WARNING, 0.0, None, 1.0, now, back=_ABSENT[key.name])
            if self._looks.to_end(nothing, Held(None, 1.0), now):
                await self._end(raised[key], now)

    async def _raise(self, reading: Reading, now: int) -> None:
        key = reading.key
        alert = Alert(
            self.context.ids.next(),
            key.site_id,
            key.name,
            key.provider,
            reading.severity.value,
            float(reading.value),
            None if reading.low is None else float(reading.low),
            None if reading.high is None else float(reading.high),
            reading.summary,
            reading.look_at,
            now,
        )

        async def body(tx: Transaction) -> bool:
            if not await alerts.add(tx, alert):
                return False
            await _tell(tx, alert, "alert.raised", now)
            return True

        if await self.context.database.write(body):
            log.warning("alert.raised", **_shown(alert), look_at=alert.look_at[:1])

    async def _end(self, alert: Alert, now: int) -> None:
        async def body(tx: Transaction) -> bool:
            if not await alerts.end(tx, alert.id, now):
                return False
            await _tell(tx, replace(alert, ended_at=now), "alert.ended", now)
            return True

        if await self.context.database.write(body):
            log.info("alert.ended", **_shown(alert), after_seconds=(now - alert.raised_at) // 1_000)

    async def _raised(self) -> Sequence[Alert]:
        return await self.context.database.read(lambda tx: alerts.raised(tx, MOST_RAISED))


def _key(alert: Alert) -> Key:
    return Key(alert.name, alert.site_id, alert.provider)


def _is_comparable(alert: Alert, reading: Reading) -> bool:
    """Reports stay away in two ways: fewer than usual, and turned away. Either has to end by itself."""
    return ((alert.low is None) is (reading.low is None)) and ((alert.high is None) is (reading.high is None))


def _held(alert: Alert, reading: Reading, now: int) -> Held:
    """What it has to come back to: the band that it left, not one that has got used to what is wrong."""
    if now - alert.raised_at > GIVEN_UP:
        return Held(reading.low, reading.high)
    return Held(alert.low, alert.high)


def _shown(alert: Alert) -> dict[str, Any]:
    fields: dict[str, Any] = {"alert": alert.name, "alert_id": encode_id(Kind.ALERT, alert.id)}
    fields["severity"] = alert.severity
    if alert.site_id:
        fields["site_id"] = alert.site_id
    if alert.provider:
        fields["provider"] = alert.provider
    return {**fields, "summary": alert.summary}


async def _tell(tx: Transaction, alert: Alert, type: str, now: int) -> None:
    """The site's own webhooks; there are none for what concerns all of them."""
    if not alert.site_id:
        return
    fact = {
        "alert": encode_id(Kind.ALERT, alert.id),
        "name": alert.name,
        "severity": alert.severity,
        "provider": alert.provider or None,
        "value": alert.value,
        "low": alert.low,
        "high": alert.high,
        "summary": alert.summary,
        "look_at": alert.look_at,
        "at": now,
    }
    await outbox.add(tx, alert.site_id, type, [json.encode(fact).decode()], now)
