"""`record` against a model that is simple enough to be obviously right, on histories that hypothesis
makes up.

A history is a list of flushes of a sender population that crashes, repeats itself, and overtakes itself.
"""

from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import deliveries, messages, sites
from storage.database import Body, Database, Transaction
from storage.deliveries import Outcome, Result
from storage.messages import Progress
from storage.queries import parse
from tests.contract.rows import MESSAGE, NOW, SITE, message, result, site

AUDIENCE = 12
MESSAGES = (MESSAGE, MESSAGE + 1)
EMPTY = parse(
    "test",
    """
-- name: deliveries
delete from deliveries
-- name: rollups
delete from rollups
-- name: messages
delete from messages
-- name: sites
delete from sites
""",
)

outcomes = st.one_of(st.none(), st.sampled_from(Outcome))


@st.composite
def results(draw: st.DrawFn) -> Result:
    outcome = draw(outcomes)
    return result(
        draw(st.integers(1, AUDIENCE)),
        message_id=draw(st.sampled_from(MESSAGES)),
        provider=draw(st.sampled_from(["fcm", "mozilla"])),
        attempt=draw(st.integers(1, 3)),
        variant=draw(st.integers(0, 1)),
        outcome=outcome,
        reason=draw(st.sampled_from(["gone", "cancelled"])) if outcome is Outcome.SKIPPED else None,
        at=NOW + draw(st.integers(0, 10)) * 1_000_000,
    )


histories = st.lists(st.lists(results(), max_size=15), max_size=8)


class Model:
    """One dict: (message, subscription) → (attempt, outcome, reason)."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, int], tuple[int, Outcome | None, str | None]] = {}

    def record(self, flush: list[Result]) -> set[tuple[int, int]]:
        changed = set()
        for each in sorted(flush, key=lambda result: result.attempt):  # stable: the first of one attempt wins
            key = (each.message_id, each.subscription_id)
            if each.subscription_id in self.open_at(each.message_id, each.attempt):
                self.rows[key] = (each.attempt, each.outcome, each.reason)
                changed.add(key)
        return changed

    def counts(self, message_id: int) -> Counter[str]:
        return Counter(
            "retrying" if outcome is None else outcome.value
            for (message, _), (_, outcome, _) in self.rows.items()
            if message == message_id
        )

    def open_at(self, message_id: int, attempt: int) -> set[int]:
        """Who is still to be sent at `attempt`, by the definition."""
        everybody = range(1, AUDIENCE + 1)
        if attempt == 1:
            return {id for id in everybody if (message_id, id) not in self.rows}
        return {id for id in everybody if self.rows.get((message_id, id), (0, 0))[:2] == (attempt - 1, None)}


def _agrees(progress: Progress, counts: Counter[str]) -> bool:
    failed = sum(counts[kind] for kind in ("unauthorized", "too_large", "rejected", "render_failed"))
    return progress == Progress(
        AUDIENCE,
        counts["accepted"],
        counts["gone"],
        failed,
        counts["expired"],
        counts["skipped"],
        counts["retrying"],
        AUDIENCE - counts.total(),
        progress.failures,
        progress.skips,
    )


async def _new_history(tx: Transaction) -> None:
    for query in EMPTY.values():
        await tx.execute(query)
    await sites.add(tx, site())
    for id in MESSAGES:
        await messages.add(tx, message(id))
        await messages.start(tx, id, NOW, 0)
        await messages.frozen(tx, id, AUDIENCE, 0, NOW)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories)
async def test_every_history_of_flushes_adds_up(database: Database, history: list[list[Result]]) -> None:
    await database.write(_new_history)
    model = Model()
    everybody = set(range(1, AUDIENCE + 1))
    for flush in history:
        changed = await database.write(lambda tx, flush=flush: deliveries.record(tx, flush))  # type: ignore[misc]
        assert changed == model.record(flush)
        found = await database.read(lambda tx: messages.progress_of(tx, MESSAGES))
        for id in MESSAGES:
            progress = found[id][0]
            assert progress is not None
            assert _agrees(progress, model.counts(id))
            assert sum(progress.failures.values()) == progress.failed
            assert sum(progress.skips.values()) == progress.skipped
            for attempt in (1, 2, 3):
                left = await database.read(_left(id, attempt))
                assert (everybody if left is None else left) == model.open_at(id, attempt)


def _left(message_id: int, attempt: int) -> Body[set[int] | None]:
    ids = list(range(1, AUDIENCE + 1))
    return lambda tx: deliveries.at_attempt(tx, SITE, message_id, ids, attempt)
