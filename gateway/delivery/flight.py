"""One claimed batch on its way: whom it still has to be sent to, and how many answers are awaited."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from gateway.delivery.retry import SECOND, deadline, remaining_ttl
from gateway.keys import LONGEST_WAIT
from gateway.outgoing import Outgoing
from storage.batches import Batch
from storage.keys import ApplicationServerKey
from storage.subscription import VisitorRow

KEY_LOOK_AGAIN = 60_000  # milliseconds until members whose key is paused are looked at again, at first
KEY_IS_PAUSED = "the application server key is paused"

# The columns of storage.subscriptions.MemberRow as the driver returns them: id, state, endpoint, p256dh,
# auth, key id, expires_at, accepted_at, external id, seen_at. By position: half a million a minute are read.
Member = tuple[int, str, str, bytes, bytes, int, int | None, int | None, str | None, int]


class Left(NamedTuple):
    """Members that a flight did not send to: they move to a new batch in the transaction that finishes it."""

    due_at: int
    members: list[int]
    window_ends_at: int | None
    waits_for_key: bool
    created_at: int


@dataclass(eq=False, repr=False, slots=True)
class Flight:
    """Lives from the claim until its last outcome is recorded. Changed by the event loop's thread only.

    `started_at` is when its members were read. TTL counts from the first attempt: for attempt 1 that is
    `started_at`; a retry batch carries its members' first attempt as its own `created_at`.
    """

    batch: Batch
    outgoing: Outgoing
    contact: str  # of the site: the `sub` of its VAPID tokens
    event_key: bytes  # of the site: makes event tokens
    keys: Mapping[int, ApplicationServerKey]  # sealed, by id: those of the members are among them
    waiting: list[Member]  # not sent yet; taken from the end
    started_at: int
    ready: int = 0  # how many of `waiting` may be sent now: all, unless it is paced
    queued: bool = False
    in_flight: int = 0
    left: list[Left] = field(default_factory=list)  # another batch's now
    given_up: list[Member] = field(default_factory=list)  # those who waited when it was lost
    called_gone: Collection[int] = ()  # members whose last attempt was answered 404 or 410
    lost: bool = False  # somebody else may have the lease: record what comes, finish nothing
    ended: bool = False  # the last outcome is known
    leased_until: float = inf  # monotonic seconds
    complained: bool = False  # a failure to render was logged
    visitors: Mapping[int, VisitorRow] | None = None  # by subscription id; only if the message asks for them
    window_ends_at: float = inf  # nothing is sent from then on: its members' quiet hours begin
    counts_for: int = (
        0  # milliseconds that an accepted push counts for the site's frequency cap; 0: it has none
    )
    keeps_locations: bool = False  # whether it is noted where the push service keeps what it takes
    locations: Mapping[int, str] | None = None  # of a withdrawal: where those to be deleted are kept
    answers_at: list[int] = field(default_factory=list)
    header_lines: dict[tuple[int, str], list[str]] = field(default_factory=dict)  # by (key id, origin)
    first_attempt_at: int = field(init=False)
    deadline: int = field(init=False)
    ttl: int = field(init=False)  # of what is sent now, in seconds …
    ttl_until: float = field(init=False)  # … until this moment: then it is too long, or the window over
    wait_deadline: int = field(init=False)  # how long it may wait before it is sent at all

    def __post_init__(self) -> None:
        self.first_attempt_at = self.started_at if self.batch.attempt == 1 else self.batch.created_at
        self.deadline = deadline(self.first_attempt_at, self.outgoing.ttl, self.outgoing.expires_at)
        # Nobody waits before their time has come: for who is planned for later `created_at` is then.
        began = max(self.outgoing.started_at, self.batch.created_at)
        self.wait_deadline = deadline(began, self.outgoing.ttl, self.outgoing.expires_at)
        self._set_ttl(self.started_at)

    def __repr__(self) -> str:
        """Without its members and keys: exceptions name it, and they are logged."""
        return f"Flight(batch {self.batch.id})"

    def has_time(self, now: int) -> bool:
        """To be asked from `ttl_until` on: whether more may be sent. It is with a shorter TTL then."""
        if self.deadline <= now or self.window_is_over(now):
            return False
        self._set_ttl(now)
        self.header_lines.clear()
        return True

    def _set_ttl(self, now: int) -> None:
        self.ttl = remaining_ttl(self.deadline, now)
        self.ttl_until = min(self.deadline - (self.ttl - 1) * SECOND, self.window_ends_at)

    def close_at(self, window_ends_at: int) -> None:
        """Nothing is sent from then on: whoever still waits goes back, and is planned anew."""
        self.window_ends_at = window_ends_at
        self.ttl_until = min(self.ttl_until, window_ends_at)

    def window_is_over(self, now: int) -> bool:
        return self.window_ends_at <= now

    def leave(
        self,
        members: list[Member],
        due_at: int,
        window_ends_at: int | None = None,
        *,
        waits_for_key: bool = False,
    ) -> None:
        """Not to be sent for now. With `window_ends_at` planned anew, otherwise in that of the batch."""
        if members:
            batch, ids = self.batch, [member[0] for member in members]
            if window_ends_at is None:
                left = Left(due_at, ids, batch.window_ends_at, waits_for_key, batch.created_at)
            else:
                # Who is planned for later has not begun to wait for anything.
                since = due_at if batch.attempt == 1 else batch.created_at
                left = Left(due_at, ids, window_ends_at, False, since)
            self.left.append(left)

    def look_again_at(self, now: int) -> int | None:
        """When to look again at members whose key is paused; None: they have waited long enough.

        After a minute, then after as long again as they have waited, so that a million do not become two
        thousand new batches a minute. Retries, which a resume does not bring forward, each minute.
        """
        if now >= self.wait_deadline:
            return None
        wait = KEY_LOOK_AGAIN
        if self.batch.attempt == 1:
            wait = min(max(wait, now - self.batch.created_at), LONGEST_WAIT)
        return min(now + wait, self.wait_deadline)

    @property
    def provider(self) -> str:
        return self.batch.provider

    @property
    def lane(self) -> int:
        return self.batch.lane

    @property
    def waits_since(self) -> int | None:
        """When it was asked for; None: this is another attempt. What was planned for later, and what took
        some steps to freeze, waits since there is a batch of it."""
        batch = self.batch
        if batch.attempt > 1:
            return None
        at_once = batch.created_at <= self.outgoing.started_at
        return self.outgoing.accepted_at if at_once else batch.created_at

    @property
    def done(self) -> bool:
        """Whether nothing is left to send or to wait for."""
        return not self.waiting and self.in_flight == 0
