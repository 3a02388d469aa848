"""What became of pushes since the last flush, gathered until one transaction records it."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.delivery.flight import Flight, Member
from gateway.delivery.retry import HOUR, SECOND, RetryPolicy
from gateway.webpush import MAX_ENDPOINT, Answer, Reply, Verdict
from storage.batches import Batch
from storage.deliveries import Outcome, Result, SkipReason
from storage.recent_pushes import RecentPush
from storage.subscription import ACCEPTED_AGAIN_AFTER
from storage.subscriptions import Gone
from storage.withdrawals import PushLocation

# First attempts closer together than this part of the TTL count as simultaneous, so that retries of several
# batches of a message can share one: a long outage would otherwise end in a million batches of one member.
SIMULTANEOUS = 20

# Push services say 404 and 410 of subscriptions that they have only just handed out, and 201 a moment later:
# who is so young is asked once more before it counts.
YOUNG = 10 * 60 * SECOND
LOOK_AGAIN_AFTER = 60 * SECOND

LOCATION_KEPT = 24 * HOUR  # after the end of the TTL: a withdrawal may still be under way

OUTCOMES = {
    Answer.ACCEPTED: Outcome.ACCEPTED,
    Answer.GONE: Outcome.GONE,
    Answer.UNAUTHORIZED: Outcome.UNAUTHORIZED,
    Answer.TOO_LARGE: Outcome.TOO_LARGE,
    Answer.REJECTED: Outcome.REJECTED,
    Answer.NOT_THERE: Outcome.SKIPPED,
}


def is_second_look(flight: Flight, member: Member) -> bool:
    """Whether a 404 or 410 is the second one, because at the first one the member was too young."""
    return member[0] in flight.called_gone


@dataclass(slots=True)
class Retry:
    """Members of one message, provider and attempt that are due again at the same time."""

    batch: Batch  # the failed one
    due_at: int | None  # None: their time is over
    first_attempt_at: int
    subscription_ids: list[int] = field(default_factory=list)


class Hold(NamedTuple):
    """Nothing of a provider, or of a site on it, before `until`."""

    site_id: int
    provider: str
    until: int
    reason: str
    since: int
    failures: int


@dataclass(slots=True)
class Unrecorded:
    """The contents of one flush, in the order in which things happened. `finished` holds batch ids."""

    policy: RetryPolicy
    random: Callable[[], float]
    results: list[Result] = field(default_factory=list)
    retries: dict[tuple[int | str | None, ...], Retry] = field(default_factory=dict)
    gone: list[Gone] = field(default_factory=list)
    accepted: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))  # by site
    recent: list[RecentPush] = field(default_factory=list)  # accepted, where the site has a frequency cap
    locations: list[PushLocation] = field(default_factory=list)  # of what can be taken back
    finished: list[Flight] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    recovered: set[tuple[int, str]] = field(default_factory=set)  # (site id, provider): answering again
    paused_keys: dict[int, str] = field(default_factory=dict)  # why, by key id

    def __bool__(self) -> bool:
        return bool(self.results or self.finished or self.holds or self.recovered or self.paused_keys)

    def settle(
        self, flight: Flight, subscription_id: int, outcome: Outcome, at: int, reason: str | None = None
    ) -> None:
        """An outcome that no push service had a part in."""
        self._add(flight.batch, subscription_id, outcome, reason, None, at)

    def answered(
        self,
        flight: Flight,
        member: Member,
        verdict: Verdict,
        at: int,
        believed: bool,
        reply: Reply | None = None,
    ) -> None:
        """An answer becomes an outcome, or another attempt as long as there is time for one.

        `believed`: whether a 404 or 410 ends the subscription.
        """
        batch = flight.batch
        subscription_id, _, endpoint, _, _, _, _, accepted_at, _, seen_at = member
        answer, status = verdict.answer, verdict.status or None
        outcome = OUTCOMES.get(answer)
        if outcome is Outcome.ACCEPTED:
            long_ago = accepted_at is None or accepted_at < at - ACCEPTED_AGAIN_AFTER
            if (
                long_ago and not flight.locations
            ):  # a deletion that is accepted says nothing of a subscription
                self.accepted[batch.site_id].append(subscription_id)
            if flight.counts_for:
                self.recent.append(
                    RecentPush(batch.site_id, subscription_id, batch.message_id, at, at + flight.counts_for)
                )
            if flight.keeps_locations and reply is not None:
                self._locate(flight, subscription_id, reply)
            self._add(batch, subscription_id, outcome, None, status, at)
            return
        if outcome is Outcome.SKIPPED:
            self._add(batch, subscription_id, outcome, SkipReason.NOT_WAITING, status, at)
            return
        if outcome is Outcome.GONE:
            young = seen_at > at - YOUNG and not is_second_look(flight, member)
            if young and self._again(flight, subscription_id, LOOK_AGAIN_AFTER, at):
                outcome = None
            elif believed and not young:
                self.gone.append(Gone(batch.site_id, subscription_id, endpoint, at))
        elif outcome is None and not self._again(flight, subscription_id, verdict.retry_after_ms or 0, at):
            outcome = Outcome.EXPIRED
        self._add(batch, subscription_id, outcome, verdict.reason or None, status, at)

    def _locate(self, flight: Flight, subscription_id: int, reply: Reply) -> None:
        location = reply.header("Location")
        if location is not None and len(location) <= MAX_ENDPOINT:
            batch, forget_at = flight.batch, flight.deadline + LOCATION_KEPT
            kept = PushLocation(batch.site_id, subscription_id, batch.message_id, location, forget_at)
            self.locations.append(kept)

    def _again(self, flight: Flight, subscription_id: int, retry_after: int, at: int) -> bool:
        """Another attempt; False when there is no time for one."""
        retry = self._retry(flight, retry_after, at)
        if retry.due_at is not None:
            retry.subscription_ids.append(subscription_id)
        return retry.due_at is not None

    def _retry(self, flight: Flight, retry_after: int, at: int) -> Retry:
        """One wait for all that failed together: they make few batches, and jitter spreads the batches."""
        batch = flight.batch
        simultaneous = max(1, flight.outgoing.ttl * SECOND // SIMULTANEOUS)
        wait = -(-retry_after // SECOND)
        key = (
            batch.message_id,
            batch.provider,
            batch.attempt,
            batch.stage,
            batch.variant,
            batch.window_ends_at,
            wait,
            flight.first_attempt_at // simultaneous,
        )
        retry = self.retries.get(key)
        if retry is None:
            due_at = self.policy.next_attempt_at(
                at, batch.attempt, wait * SECOND, flight.deadline, self.random
            )
            retry = self.retries[key] = Retry(batch, due_at, flight.first_attempt_at)
        retry.first_attempt_at = min(retry.first_attempt_at, flight.first_attempt_at)
        return retry

    def _add(
        self,
        batch: Batch,
        subscription_id: int,
        outcome: Outcome | None,
        reason: str | None,
        code: int | None,
        at: int,
    ) -> None:
        self.results.append(
            Result(
                batch.site_id,
                batch.message_id,
                subscription_id,
                batch.provider,
                batch.attempt,
                batch.variant,
                outcome,
                reason,
                code,
                at,
            )
        )
