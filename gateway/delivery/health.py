"""Judges push services and keys by their answers: narrows windows, holds back, pauses, and lets go again."""

from collections.abc import Callable
from typing import Protocol

from gateway.delivery.flight import Flight, Member
from gateway.delivery.gate import Gate, Held
from gateway.delivery.line import Line
from gateway.delivery.retry import HOUR, MINUTE, SECOND, RetryPolicy
from gateway.delivery.tally import Mark, Tally
from gateway.delivery.unrecorded import Hold, is_second_look
from gateway.logs import Log
from gateway.webpush import Answer, Verdict
from storage.throttles import EVERY_SITE, FOR_GOOD, MASS_GONE, MASS_GONE_WITHIN

log = Log(__name__)

RETRY_AFTER, BREAKER = "retry_after", "breaker"  # reasons of holds, besides MASS_GONE
KEY_REFUSED = "push_services_refuse_the_key"

THROTTLED_FOR = RetryPolicy(first=4 * SECOND, longest=MINUTE)  # without Retry-After
BROKEN_FOR = RetryPolicy(first=10 * SECOND, longest=2 * MINUTE)  # half of it is chance: 5 s to 60 s at least
BREAKER_ANSWERS, BREAKER_SECONDS = 20, 10
GONE_ANSWERS, GONE_SECONDS = 200, MASS_GONE_WITHIN // SECOND
KEY_ANSWERS, KEY_SECONDS = 20, 60
THROTTLED_ANSWERS, THROTTLED_SECONDS = 20, 10  # 429s of one site's hold are one of these
# Retry-After may say a month: who was refused waits for it, the others not without asking now and then.
LONGEST_HOLD = 24 * HOUR
MOST_KEYS = MOST_FAILING = 4_096

_MARKS = {
    Answer.UNAVAILABLE: Mark.UNAVAILABLE,
    Answer.GONE: Mark.GONE,
    Answer.UNAUTHORIZED: Mark.UNAUTHORIZED,
}


class Consequences(Protocol):
    """What Health may ask for; the pump and the recorder do it."""

    def hold(self, hold: Hold) -> None:
        """Write it with the next flush, and give back what is held by it."""

    def recover(self, held: Held) -> None:
        """It answers again: write that with the next flush."""

    def pause_key(self, key_id: int, reason: str) -> None:
        """Write it with the next flush, and give back what would be signed with it."""


class Health:
    """Each answer is told once. `now` in milliseconds since the epoch; `posted_at` and `at` are monotonic."""

    def __init__(self, gate: Gate, consequences: Consequences, random: Callable[[], float]) -> None:
        self._gate = gate
        self._consequences = consequences
        self._random = random
        self._providers: dict[str, Tally] = {}
        self._keys: dict[int, Tally] = {}
        self._failing: dict[Held, float] = {}  # held because it failed, and since when

    def answered(
        self,
        line: Line,
        flight: Flight,
        member: Member,
        verdict: Verdict,
        posted_at: float,
        at: float,
        now: int,
    ) -> None:
        answer = verdict.answer
        mark = _MARKS.get(answer, Mark.FINE)
        tally = self._providers.get(line.provider) or self._providers.setdefault(line.provider, Tally())
        # Second looks at the young come together, and nearly all are 410s, which were counted the first time.
        again = answer is Answer.GONE and is_second_look(flight, member)
        if not again and answer is not Answer.THROTTLED:
            tally.add(at, mark)
        self._key(member[5]).add(at, mark)
        if not answer.retryable:
            line.window.answered(posted_at, at)
            if self._failing or self._gate.failing:
                self._recover((EVERY_SITE, line.provider), posted_at, now)
                self._recover((flight.batch.site_id, line.provider), posted_at, now)
            if answer is Answer.GONE and not again:
                self._doubt_gone(line, tally, at, now)
            elif answer is Answer.UNAUTHORIZED:
                self._doubt_key(member[5], flight.batch.site_id, verdict, at)
            return
        line.window.refused(posted_at, at)
        if answer is Answer.THROTTLED:
            self._throttle(line, flight.batch.site_id, verdict, tally, posted_at, at, now)
        elif wait := _asked_for(verdict):
            self._hold((EVERY_SITE, line.provider), now + wait, RETRY_AFTER, posted_at, at, now)
        else:
            self._doubt_provider(line, tally, posted_at, at, now)

    def half_open(self, line: Line, at: float) -> None:
        """A hold of the provider has ended: the next answers decide."""
        line.window.restart(at)
        self._providers.pop(line.provider, None)

    def _throttle(
        self,
        line: Line,
        site_id: int,
        verdict: Verdict,
        tally: Tally,
        posted_at: float,
        at: float,
        now: int,
    ) -> None:
        """The site is held; the provider only when most of what it answers is that another site is throttled.

        Chrome caps single sites: however many sites have reached their cap, others may go on.
        """
        line.throttle(site_id, at)
        site, provider = (site_id, line.provider), (EVERY_SITE, line.provider)
        wait = max(self._throttled_for(site), _asked_for(verdict))
        if not self._hold(site, now + wait, RETRY_AFTER, posted_at, at, now):
            return  # one of many that were in flight when the site was refused
        tally.add(at, Mark.THROTTLED)
        if tally.mostly(Mark.THROTTLED, at, THROTTLED_SECONDS, THROTTLED_ANSWERS):
            # Not for what the one site was asked to wait.
            self._hold(provider, now + self._throttled_for(provider), RETRY_AFTER, posted_at, at, now)
            tally.clear()

    def _throttled_for(self, held: Held) -> int:
        return THROTTLED_FOR.back_off(self._gate.failures(held) + 1, self._random)

    def _doubt_provider(self, line: Line, tally: Tally, posted_at: float, at: float, now: int) -> None:
        """The breaker. After a hold one failed probe is enough to open it again, for longer."""
        held = (EVERY_SITE, line.provider)
        began = self._failing.get(held)
        if began is not None and posted_at <= began:
            return
        if began is None and not tally.mostly(Mark.UNAVAILABLE, at, BREAKER_SECONDS, BREAKER_ANSWERS):
            return
        wait = BROKEN_FOR.back_off(self._gate.failures(held) + 1, self._random)
        log.warning("provider.breaker_opened", provider=line.provider, seconds=round(wait / SECOND))
        self._hold(held, now + wait, BREAKER, posted_at, at, now)
        tally.clear()

    def _hold(self, held: Held, until: int, reason: str, posted_at: float, at: float, now: int) -> bool:
        """What was posted before the hold began only says the same again: it may prolong, not escalate.

        Whether this is another one.
        """
        # To the second: hundreds in flight say the same a millisecond later, and each would be written.
        until = -(-until // SECOND) * SECOND
        began = self._failing.get(held)
        again = began is not None and posted_at <= began
        if again and self._gate.until(held) >= until:
            return False
        if not again:
            while len(self._failing) >= MOST_FAILING:  # sites that have not sent since
                del self._failing[next(iter(self._failing))]
            self._failing[held] = at
        failures = self._gate.failures(held) + (not again)
        self._gate.hold(held, until, now, failures)
        self._consequences.hold(Hold(*held, until, reason, now, failures))
        return not again

    def _recover(self, held: Held, posted_at: float, now: int) -> None:
        began = self._failing.get(held)
        if began is None:  # another sender has seen it fail, or this one in an earlier life
            over = self._gate.failures(held) > 0 and self._gate.until(held) <= now
        else:
            over = began < posted_at
        if over:
            self._failing.pop(held, None)
            self._gate.recover(held)
            self._consequences.recover(held)

    def _doubt_gone(self, line: Line, tally: Tally, at: float, now: int) -> None:
        """A proxy gone wrong answers 404 to everything: that must not end a million subscriptions."""
        provider = line.provider
        if self._gate.trusts(provider) or not self._gate.believes(provider):
            return
        if not tally.mostly(Mark.GONE, at, GONE_SECONDS, GONE_ANSWERS):
            return
        log.error("provider.mass_gone", provider=provider, answers=GONE_ANSWERS, within_seconds=GONE_SECONDS)
        self._gate.suspect(provider, now)
        self._gate.hold((EVERY_SITE, provider), FOR_GOOD, now, 0)
        self._consequences.hold(Hold(EVERY_SITE, provider, FOR_GOOD, MASS_GONE, now, 0))
        tally.clear()

    def _doubt_key(self, key_id: int, site_id: int, verdict: Verdict, at: float) -> None:
        tally = self._key(key_id)
        if tally.mostly(Mark.UNAUTHORIZED, at, KEY_SECONDS, KEY_ANSWERS):
            log.error(
                "key.paused", key_id=key_id, site_id=site_id, status=verdict.status, said=verdict.reason
            )
            self._consequences.pause_key(key_id, f"{KEY_REFUSED}: {verdict.status} {verdict.reason}"[:200])
            tally.clear()

    def _key(self, key_id: int) -> Tally:
        tally = self._keys.get(key_id)
        if tally is None:
            while len(self._keys) >= MOST_KEYS:
                del self._keys[next(iter(self._keys))]
            tally = self._keys[key_id] = Tally()
        return tally


def _asked_for(verdict: Verdict) -> int:
    """Milliseconds that others have to wait because one was asked to."""
    return min(verdict.retry_after_ms or 0, LONGEST_HOLD)
