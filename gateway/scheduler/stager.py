"""Releases the rest of messages whose first part has shown how it goes, and pauses those that fail too much.

It looks at those messages only whose rules ask for it, each when its time has come, a page at a time: with
thousands of them a look costs as much as with a hundred, and comes less often.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import NamedTuple

from gateway.campaigns.auto_pause import why_pause
from gateway.campaigns.counts import Counts
from gateway.campaigns.rules import Rules, parse_rules
from gateway.campaigns.stages import Release, decide, is_automatic, release_at
from gateway.context import Context
from gateway.logs import Log
from gateway.scheduler.failing import Failing
from storage import locks, messages, rollups, stages, throttles
from storage.database import Transaction
from storage.messages import ENDED, MessageState
from storage.stages import Stages, Watched
from storage.throttles import EVERY_PROVIDER, EVERY_SITE

log = Log(__name__)

AT_ONCE = 100  # messages in one look
LOOK_AGAIN = 1_000  # milliseconds, at messages of which anything may change at any time
LOOK_AT_PAUSED = 5_000
TRY_AGAIN = 60_000  # at one that could not be judged


class Look(NamedTuple):
    """At one message."""

    watched: Watched
    rules: Rules
    counts: Mapping[int, Counts]  # by variant
    tried: bool  # everybody of the first part, but for those whose provider is held; and some have answered


class Stager:
    def __init__(self, context: Context) -> None:
        self._database = context.database
        self._clock = context.clock
        self._failing = Failing("message.failed", "message_id")
        self._looked_at: int | None = None

    async def step(self) -> bool:
        """One look at those whose time has come; never more at once, however many there are."""
        now = self._clock.now()
        if self._looked_at is None or now < self._looked_at:
            # The clock has been set back, perhaps: nobody is to wait until it shows that time again.
            await self._database.write(lambda tx: stages.bring_forward(tx, now, now + LOOK_AT_PAUSED))
        self._looked_at = now
        looks, looked = await self._database.read(lambda tx: self._look(tx, now))
        for look in looks:
            known = replace(look.watched.stages, look_at=now + TRY_AGAIN)
            with self._failing.watch(known.message_id):
                known = await self._judge(look, now)
                self._failing.works(known.message_id)
            looked.append(known)
        if looked:
            await self._database.write(lambda tx: stages.note(tx, looked))
        return False

    async def _look(self, tx: Transaction, now: int) -> tuple[list[Look], list[Stages]]:
        """What there is to judge, and when to look at the others: ended ones, and those nobody can read."""
        due = await stages.due(tx, now, AT_ONCE)
        going_on = [each.stages.message_id for each in due if each.state not in ENDED]
        counted = await rollups.by_variant(tx, going_on)
        held: Collection[tuple[int, str]] | None = None
        looks, others = [], []
        for watched in due:
            known, rules = watched.stages, None
            if watched.state in ENDED:
                others.append(replace(known, look_at=None))
                continue
            with self._failing.watch(known.message_id):
                rules = parse_rules(watched.rules)
            if rules is None:
                others.append(replace(known, look_at=now + TRY_AGAIN))
                continue
            by_variant = counted.get(known.message_id, {})
            counts = {variant: Counts.of(kinds) for variant, kinds in by_variant.items()}
            tried = False
            waits = known.released_at is None and known.tried_at is None
            if waits and is_automatic(rules) and watched.frozen_at is not None:
                untried = await stages.untried(tx, known.message_id)
                if untried and held is None:
                    held = {(row.site_id, row.provider) for row in await throttles.held(tx, now)}
                # A dead push service says nothing about the message: nobody has had it yet.
                answered = any(of_variant.answers for of_variant in counts.values())
                tried = (answered or not await stages.is_under_way(tx, known.message_id)) and all(
                    _is_held(held or (), known.site_id, provider) for provider in untried
                )
            looks.append(Look(watched, rules, counts, tried))
        return looks, others

    async def _judge(self, look: Look, now: int) -> Stages:
        """Do what is to be done; the message's row with when to look again."""
        known, rules = look.watched.stages, look.rules
        total = Counts.total(look.counts.values()) if look.counts else Counts()
        if look.watched.state is not MessageState.SENDING:
            # What was in flight is answered in the pause: after a resume it does not count.
            return replace(
                known, look_at=now + LOOK_AT_PAUSED, answers=total.answers, failures=total.failures
            )
        if rules.auto_pause is not None:
            since = Counts(total.answers - known.answers, total.failures - known.failures)
            if since.answers >= rules.auto_pause.least:
                known = replace(known, answers=total.answers, failures=total.failures)
                reason = why_pause(rules.auto_pause, since)
                if reason is not None:
                    await self._pause(look.watched.stages, known, reason, now)
                    return replace(known, look_at=now + LOOK_AT_PAUSED)
        if not is_automatic(rules) or known.released_at is not None:
            return replace(known, look_at=now + LOOK_AGAIN if rules.auto_pause is not None else None)
        if look.watched.frozen_at is None:
            return replace(known, look_at=now + LOOK_AGAIN)
        if known.tried_at is None and look.tried:
            known = replace(known, tried_at=now)
        release = decide(rules, known.tried_at, look.counts, now)
        if release is not None:
            await self._release(known, release, now)
            return replace(known, look_at=now + LOOK_AGAIN)
        return replace(known, look_at=_next_look(rules, known, now))

    async def _release(self, known: Stages, release: Release, now: int) -> None:
        """By compare-and-set: of two schedulers one does it. A stop releases the rest and pauses the message

        in one transaction, so that a resume goes on with all that is left.
        """
        message_id = known.message_id

        async def body(tx: Transaction) -> bool:
            await locks.hold(tx, message_id)
            if (await messages.states(tx, [message_id])).get(message_id) is not MessageState.SENDING:
                return False
            if not await stages.release(tx, message_id, now, release.decision, release.winner):
                return False
            if release.stop:
                await messages.transition(
                    tx, message_id, {MessageState.SENDING}, MessageState.PAUSED, release.decision, now
                )
            return True

        if await self._database.write(body):
            log.info("message.released", message_id=message_id, stopped=release.stop, reason=release.decision)

    async def _pause(self, before: Stages, known: Stages, reason: str, now: int) -> None:
        """With where the counters stand: after a resume it is judged by what comes then.

        Not when another scheduler has judged it since we looked: that may have paused it for the same
        failures, and somebody may have resumed it.
        """

        async def body(tx: Transaction) -> bool:
            await locks.hold(tx, known.message_id)
            if not await stages.judge(tx, before, known.answers, known.failures):
                return False
            return await messages.transition(
                tx, known.message_id, {MessageState.SENDING}, MessageState.PAUSED, reason, now
            )

        if await self._database.write(body):
            log.warning("message.paused", message_id=known.message_id, reason=reason)


def _next_look(rules: Rules, known: Stages, now: int) -> int:
    """At a message whose rest is held."""
    at = release_at(rules, known.tried_at)
    winner = None if rules.variants is None else rules.variants.winner
    often = rules.auto_pause is not None or (winner is not None and winner.displays is not None)
    if at is None or at <= now or often:
        return now + LOOK_AGAIN if at is None or at <= now else min(at, now + LOOK_AGAIN)
    return at


def _is_held(held: Collection[tuple[int, str]], site_id: int, provider: str) -> bool:
    """Whether nothing of a site is sent to a provider for now: who waits for that is not waited for."""
    return any((site, name) in held for site in (EVERY_SITE, site_id) for name in (EVERY_PROVIDER, provider))
