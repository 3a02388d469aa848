"""What browsers report back: displayed, clicked, closed. A blast comes back as a wall of these.

Many requests share one transaction: they are gathered for some 20 ms or up to 1,000 events, written at once,
and answered after the commit. What waits is bounded: beyond that a browser is asked to come back, and keeps
its events.
"""

import asyncio
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Protocol

from msgspec import Meta, Struct

from gateway.clock import Clock
from gateway.errors import FieldError, InvalidRequest, Unavailable
from gateway.event_counts import EventCounts
from gateway.master_key import MasterKey
from gateway.site_cache import SiteCache
from gateway.site_settings import read_settings
from gateway.tokens import EVENT_TOKENS, EventToken, EventTokenRefusal, EventTokenRefused, read_event_token
from gateway.webhooks.facts import tell_of_events
from gateway.webhooks.interest import Interest
from storage import events, removals
from storage.database import Database, Transaction
from storage.errors import NotFound as NotStored
from storage.events import Event, EventKind
from storage.outbox import Wanted
from storage.removals import Raw

KINDS = ("displayed", "clicked", "closed")
_KINDS = {kind: EventKind(kind) for kind in KINDS}
MAX_REPORTS = 50
MAX_AGE = 48 * 3_600  # seconds: how long a worker keeps what it could not deliver
MAX_TOKEN_AGE = 60 * 24 * 3_600_000

_MAX_ACTION = 64
_GATHER = 0.02
_GROUP = 1_000
_CAPACITY = 20_000  # events waiting: some 5 MB, and about a second of SQLite's work


_MOST_KEYS = 10_000  # 100 bytes each

_REASONS = {
    EventTokenRefusal.MALFORMED: "not one of ours",
    EventTokenRefusal.FORGED: "not one of ours",
    EventTokenRefusal.TOO_OLD: "too old",
    EventTokenRefusal.FROM_THE_FUTURE: "from the future",
}


class EventReport(Struct, kw_only=True):
    """One event, as the worker reports it. Lenient: what is odd in one must not cost the others."""

    token: Annotated[str, Meta(description="From the push payload.")]
    kind: Annotated[str, Meta(extra_json_schema={"enum": list(KINDS)})]
    action: Annotated[str, Meta(description="The action button that was clicked.")] | None = None
    age: Annotated[float, Meta(description="Seconds since it happened; more than 48 h count as 48 h.")] = 0


class Answer(Protocol):
    """Who waits for events to be stored: a future, or what is told in its place."""

    def done(self) -> bool: ...

    def set_result(self, result: None, /) -> None: ...

    def set_exception(self, exception: Exception, /) -> None: ...


class EventIngest:
    """`run` must be running for `record` to return."""

    def __init__(
        self,
        database: Database,
        sites: SiteCache,
        master_key: MasterKey,
        clock: Clock,
        *,
        capacity: int = _CAPACITY,
        max_token_age: int = MAX_TOKEN_AGE,
        interest: Interest | None = None,
    ) -> None:
        self._database = database
        self._sites = sites
        self._master_key = master_key
        self._clock = clock
        self._capacity = capacity
        self._max_token_age = max_token_age
        self._interest = interest or Interest()
        self._waiting: deque[tuple[Sequence[Event], Answer]] = deque()
        self._size = 0
        self._keys: dict[int, bytes] = {}
        self._removed_until: int | None = None
        self.counts = EventCounts()
        self._wake = asyncio.Event()
        self._closing = False

    @property
    def waiting(self) -> int:
        """Events that were taken and are not yet being stored."""
        return self._size

    async def genuine(self, reports: Sequence[EventReport]) -> Sequence[Event]:
        """The events whose tokens are ours. The rest is ignored: one bad event must not cost the others.

        InvalidRequest when none is genuine, so that a worker drops what will never count.
        """
        now, removed_until = self._clock.now(), await self._removals()
        found, errors = [], []
        for place, report in enumerate(reports):
            if report.kind not in KINDS:
                self.counts.refused["unknown_kind"] += 1
                errors.append(FieldError(f"[{place}].kind", f"A kind is one of {', '.join(KINDS)}."))
                continue
            try:
                token = read_event_token(report.token, self._key_of, now, self._max_token_age)
                if token.issued_at <= removed_until:
                    raise EventTokenRefused(EventTokenRefusal.TOO_OLD)
                if self._sites.kept(token.site_id) is None:
                    await self._sites.get(token.site_id)
            except EventTokenRefused as exc:
                self.counts.refused[exc.reason.value] += 1
                errors.append(FieldError(f"[{place}].token", f"The token is {_REASONS[exc.reason]}."))
            except NotStored:
                self.counts.refused["site_deleted"] += 1
                errors.append(FieldError(f"[{place}].token", "The token's site no longer exists."))
            else:
                found.append(_event(token, report, now))
        if not found:
            raise InvalidRequest("No event of this request can be counted; do not repeat it.", errors)
        return found

    def genuine_now(self, reports: Sequence[EventReport]) -> Sequence[Event] | None:
        """As `genuine`, when all are and nothing has to be looked up; else None, and nothing was counted."""
        now = self._clock.now()
        found = []
        for report in reports:
            if report.kind not in KINDS:
                return None
            try:
                token = read_event_token(report.token, self._key_of, now, self._max_token_age)
            except EventTokenRefused:
                return None
            if self._sites.kept(token.site_id) is None:
                return None
            found.append(_event(token, report, now))
        return found

    def take(self, reported: Sequence[Event], answer: Answer) -> bool:
        """`record` for who does not wait: `answer` is told. False when it would be refused now."""
        if self._closing or self._size + len(reported) > self._capacity:
            return False
        self._waiting.append((reported, answer))
        self._size += len(reported)
        self._wake.set()
        return True

    async def record(self, reported: Sequence[Event]) -> None:
        """Count each event that was not counted before. Returns after the commit.

        Unavailable, or whatever the database raised: nothing was counted.
        """
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not self.take(reported, answer):
            self.counts.refused["too_many_waiting"] += len(reported)
            raise Unavailable("Too many events are waiting.", retry_after=10)
        await answer

    async def run(self) -> None:
        """Write what was gathered, group by group, until `close` and nothing waits."""
        try:
            while self._waiting or not self._closing:
                await self._wake.wait()
                if self._size < _GROUP and not self._closing:
                    await asyncio.sleep(_GATHER)
                group, answers = self._take()
                if group:
                    await self._write(group, answers)
                if not self._waiting and not self._closing:
                    self._wake.clear()
        finally:  # cancelled: nobody may wait for ever
            self._closing = True
            _fail((answer for _, answer in self._waiting), Unavailable("The gateway is stopping."))

    def close(self) -> None:
        """Take no more; `run` returns when all that was taken is written."""
        self._closing = True
        self._wake.set()

    def _take(self) -> tuple[list[Event], list[Answer]]:
        group: list[Event] = []
        answers = []
        while self._waiting and len(group) + len(self._waiting[0][0]) <= _GROUP:
            reported, answer = self._waiting.popleft()
            group.extend(reported)
            answers.append(answer)
        self._size -= len(group)
        return group, answers

    async def _write(self, group: Sequence[Event], answers: Collection[Answer]) -> None:
        try:
            zones = await self._zones(group)
            wanted = await self._interest.look(self._database, self._clock)
            counted = await self._database.write(lambda tx: _record(tx, group, zones, wanted))
        except Exception as exc:  # whatever it is, it is the answer of those who wait, and they are told
            self.counts.refused["not_stored"] += len(group)
            _fail(answers, exc)
        else:
            self.counts.recorded += len(group)
            self.counts.counted += counted
            for answer in answers:
                if not answer.done():
                    answer.set_result(None)

    async def _removals(self) -> int:
        """Nothing issued until then counts: its row may have been removed when rows were kept for less long.

        Looked at once: what is removed from now on is older than any token that is taken.
        """
        if self._removed_until is None:
            self._removed_until = await self._database.read(lambda tx: removals.ended_until(tx, Raw.EVENTS))
        return self._removed_until

    async def _zones(self, group: Sequence[Event]) -> Mapping[int, str]:
        """Those of sites, for visitors whose own is not known."""
        zones = {}
        for site_id in {event.site_id for event in group}:
            with suppress(NotStored):  # deleted a moment ago
                zones[site_id] = read_settings(await self._sites.get(site_id)).timezone
        return zones

    def _key_of(self, site_id: int) -> bytes:
        """Kept for sites that were looked up a moment ago: strangers cannot fill the memory with guesses."""
        key = self._keys.get(site_id)
        if key is None:
            key = self._master_key.derive(EVENT_TOKENS, site_id)
            if self._sites.kept(site_id) is not None:
                if len(self._keys) >= _MOST_KEYS:
                    self._keys.clear()
                self._keys[site_id] = key
        return key


async def _record(tx: Transaction, group: Sequence[Event], zones: Mapping[int, str], wanted: Wanted) -> int:
    counted = await events.record_first(tx, group, zones)
    if wanted:
        await tell_of_events(tx, counted, wanted)
    return len(counted)


def _fail(answers: Iterable[Answer], exc: Exception) -> None:
    for answer in answers:
        if not answer.done():  # done already: the caller hung up
            answer.set_exception(exc)


def _event(token: EventToken, report: EventReport, now: int) -> Event:
    at = now - int(min(max(report.age, 0), MAX_AGE) * 1_000)
    action = report.action
    if action is not None and (len(action) > _MAX_ACTION or not action.isprintable()):
        action = None
    return Event(
        site_id=token.site_id,
        message_id=token.message_id,
        subscription_id=token.subscription_id,
        variant=token.variant,
        kind=_KINDS[report.kind],
        action=action,
        at=max(at, token.issued_at),  # nothing is displayed before it is sent
    )
