"""A webhook that is changed at the very moment at which its receiver wants no more."""

import pytest

from gateway.webhooks import manage
from gateway.webhooks.manage import WebhookChange
from storage import webhooks
from storage.database import Transaction
from storage.queries import parse
from storage.webhooks import Webhook, WebhookState
from tests.eventually import eventually
from tests.unit.dispatch.stand import Stand

_SQL = parse("test", "-- name: waiting\nselect count(*) from pg_locks where not granted\n")


@pytest.mark.parametrize("dialect", ["postgres"], indirect=True)
async def test_a_change_that_was_begun_before_does_not_undo_the_pause(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = await stand.webhook()
    stand.receiver.fail(status=410)
    database, site_id = stand.installation.database, stand.installation.site.id
    original = webhooks.save

    async def dispatcher_was_there() -> bool:
        row = await database.read(lambda tx: tx.fetch_one(_SQL["waiting"]))
        found = await stand.deliveries(hook)
        return bool(row and row[0]) or bool(found and found[0].attempts)

    async def save(tx: Transaction, changed: Webhook) -> None:
        await stand.happen(1)
        await eventually(dispatcher_was_there)
        await original(tx, changed)

    async with stand.runs():
        monkeypatch.setattr(webhooks, "save", save)
        change = WebhookChange(description="the shop's")
        await manage.change_webhook(stand.installation.context, "cli", site_id, hook, change)
        await stand.tried(hook, 1)
    after = await database.read(lambda tx: webhooks.get(tx, site_id, hook))
    assert (after.state, after.description) == (WebhookState.PAUSED, "the shop's")
