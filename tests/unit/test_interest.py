"""What sites want to hear, as it was a moment ago."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.webhooks import manage
from gateway.webhooks.interest import KEPT_FOR, Interest
from gateway.webhooks.types import EventType
from tests.unit.installation import Installation, open_installation

URL = "https://hooks.example/"
FAILED = [EventType.PUSH_FAILED]


async def add(there: Installation, types: Sequence[EventType] = FAILED) -> None:
    await manage.create_webhook(there.context, "cli", there.site.id, URL, types, "")


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_new_webhook_is_known_at_once_here_and_within_two_seconds_elsewhere(
    database_url: str, tmp_path: Path
) -> None:
    async with open_installation(database_url, tmp_path) as there:
        here, elsewhere = there.context.interest, Interest()
        for each in (here, elsewhere):
            assert await each.look(there.database, there.clock) == {}
        await add(there)
        wanted = {there.site.id: frozenset({"push.failed"})}
        assert await here.look(there.database, there.clock) == wanted
        there.clock.advance(KEPT_FOR - 0.1)
        assert await elsewhere.look(there.database, there.clock) == {}
        there.clock.advance(0.1)
        assert await elsewhere.look(there.database, there.clock) == wanted
