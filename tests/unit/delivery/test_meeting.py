"""What others write meets what a sender writes on PostgreSQL: they wait for each other, never both ways."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from gateway.enrolment import end_own
from storage import deliveries, subscriptions
from storage.database import Transaction
from storage.deliveries import Outcome, Result
from storage.queries import parse
from storage.subscriptions import Gone
from tests.eventually import eventually
from tests.unit.installation import Installation

_SQL = parse("test", "-- name: waiting\nselect count(*) from pg_locks where not granted\n")


async def somebody_waits(installation: Installation) -> bool:
    row = await installation.database.read(lambda tx: tx.fetch_one(_SQL["waiting"]))
    return row is not None and row[0] > 0


@pytest.mark.parametrize("dialect", ["postgres"], indirect=True)
async def test_who_leaves_while_a_push_service_calls_another_gone_waits_for_the_sender(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = await installation.add_message()
    site_id, now = installation.site.id, installation.clock.now()
    leaving, gone = await installation.subscribe(2)
    endpoint = (await installation.database.read(lambda tx: subscriptions.get(tx, site_id, gone))).endpoint
    answered = Result(site_id, message.id, gone, "fcm", 1, 0, Outcome.GONE, None, 410, now)
    tries: Counter[str] = Counter()
    left: list[asyncio.Task[None]] = []

    async def end(tx: Transaction, *rest: Any) -> bool:
        tries["leave"] += 1
        return await original(tx, *rest)

    async def flush(tx: Transaction) -> None:
        tries["flush"] += 1
        await deliveries.record(tx, [answered])
        if not left:
            left.append(asyncio.create_task(end_own(installation.context, site_id, leaving)))
            await eventually(lambda: somebody_waits(installation))
        await subscriptions.gone(tx, [Gone(site_id, gone, endpoint, now)])

    original = subscriptions.end
    monkeypatch.setattr(subscriptions, "end", end)
    await installation.database.write(flush)
    await left[0]

    assert tries == {"leave": 1, "flush": 1}
    found = await installation.database.read(lambda tx: subscriptions.by_ids(tx, site_id, [leaving, gone]))
    assert {id: state for id, _, state in found} == {leaving: "unsubscribed", gone: "gone"}
