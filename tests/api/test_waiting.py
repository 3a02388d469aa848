"""A message that stands still says why, and when it goes on."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.context import Context
from gateway.keys import resume_key
from storage import batches, keys, messages, throttles
from storage.batches import Batch, pack
from storage.database import Transaction
from storage.ids import Kind, decode_id
from storage.keys import KeyState
from storage.throttles import EVERY_PROVIDER, EVERY_SITE, FOR_GOOD
from tests.api.conftest import Api

MINUTE = 60_000
SHOWN = {0: None, 1: "2026-01-01T00:01:00Z", 2: "2026-01-01T00:02:00Z", 3: "2026-01-01T00:03:00Z"}


async def start(
    context: Context, message: str, site: str, *parts: tuple[str, int, int], **fields: Any
) -> None:
    """What is left of it: batches of a provider, due in so many minutes, of an attempt."""
    message_id, site_id = decode_id(Kind.MESSAGE, message), decode_id(Kind.SITE, site)
    now = context.clock.now()
    template = Batch(0, site_id, message_id, "", pack([1]), 1, now, 1, 0, 0, 1, now)
    made = [
        replace(
            template,
            id=context.ids.next(),
            provider=provider,
            due_at=now + minutes * MINUTE,
            attempt=attempt,
            **fields,
        )
        for provider, minutes, attempt in parts
    ]

    async def body(tx: Transaction) -> None:
        assert await messages.start(tx, message_id, now, 0)
        assert await messages.frozen(tx, message_id, len(made), 0, now)
        await batches.add_many(tx, made)

    await context.database.write(body)


async def hold(context: Context, site_id: int, provider: str, minutes: int | None, reason: str) -> None:
    now = context.clock.now()
    until = FOR_GOOD if minutes is None else now + minutes * MINUTE
    await context.database.write(lambda tx: throttles.hold(tx, site_id, provider, until, reason, now))


async def pause_key(context: Context, site: str) -> int:
    async def body(tx: Transaction) -> int:
        key = await keys.newest_active(tx, decode_id(Kind.SITE, site))
        assert key is not None
        await keys.set_state(tx, key.id, KeyState.ACTIVE, KeyState.PAUSED, "refused")
        return key.id

    return await context.database.write(body)


def waiting(shown: dict[str, Any]) -> tuple[str | None, str | None]:
    return shown["waiting_until"], shown["state_reason"]


async def test_one_that_goes_on_waits_for_nothing(api: Api, site: str, context: Context) -> None:
    message = (await api.new_message(site))["id"]
    assert waiting(await api.get(f"/v1/sites/{site}/messages/{message}")) == (None, None)
    await start(context, message, site, ("fcm", 0, 1), ("mozilla", 2, 2))
    await hold(context, EVERY_SITE, "apple", None, "mass_gone")
    assert waiting(await api.get(f"/v1/sites/{site}/messages/{message}")) == (None, None)


async def test_one_of_which_only_retries_are_left_says_when_the_first_is_due(
    api: Api, site: str, context: Context
) -> None:
    message = (await api.new_message(site))["id"]
    await start(context, message, site, ("fcm", 3, 3), ("fcm", 2, 2), ("mozilla", 3, 2))
    path = f"/v1/sites/{site}/messages/{message}"
    shown = await api.get(path)
    assert waiting(shown) == (SHOWN[2], "waits for another attempt")
    [listed] = (await api.get(f"/v1/sites/{site}/messages"))["items"]
    assert waiting(listed) == waiting(shown)
    paused = await api.post(f"{path}/pause", status=200)
    assert waiting(paused) == (None, "paused by an admin")


@pytest.mark.parametrize(
    ("whose", "provider", "minutes", "expected"),
    [
        ("everybody's", "fcm", 1, (SHOWN[1], "fcm is held: breaker")),
        ("everybody's", "fcm", 3, (SHOWN[2], "waits for another attempt")),  # that of mozilla comes first
        ("the site's", "fcm", 1, (SHOWN[1], "fcm is held: breaker")),
        ("the site's", EVERY_PROVIDER, 3, (SHOWN[3], "everything is held: breaker")),
        ("everybody's", EVERY_PROVIDER, None, (None, "everything is held: breaker")),
    ],
)
async def test_one_that_is_held_says_by_what_and_until_when(
    api: Api,
    site: str,
    context: Context,
    whose: str,
    provider: str,
    minutes: int | None,
    expected: tuple[str | None, str],
) -> None:
    message = (await api.new_message(site))["id"]
    await start(context, message, site, ("fcm", 0, 1), ("mozilla", 2, 2))
    site_id = EVERY_SITE if whose == "everybody's" else decode_id(Kind.SITE, site)
    await hold(context, site_id, provider, minutes, "breaker")
    assert waiting(await api.get(f"/v1/sites/{site}/messages/{message}")) == expected


async def test_one_that_waits_for_a_paused_key_goes_on_when_that_is_resumed(
    api: Api, site: str, context: Context
) -> None:
    message = (await api.new_message(site))["id"]
    await start(context, message, site, ("fcm", 1, 1), waits_for_key=True)
    key_id = await pause_key(context, site)
    path = f"/v1/sites/{site}/messages/{message}"
    assert waiting(await api.get(path)) == (None, "waits for a paused application server key")
    await resume_key(context, "test", decode_id(Kind.SITE, site), key_id)
    assert waiting(await api.get(path)) == (None, None)


async def test_what_is_planned_for_later_is_not_brought_forward_when_a_key_is_resumed(
    api: Api, site: str, context: Context
) -> None:
    message = (await api.new_message(site))["id"]
    await start(context, message, site, ("fcm", 1, 1))
    key_id = await pause_key(context, site)
    await resume_key(context, "test", decode_id(Kind.SITE, site), key_id)
    shown = await api.get(f"/v1/sites/{site}/messages/{message}")
    assert waiting(shown) == (SHOWN[1], "the next recipients are planned for later")


@pytest.mark.parametrize(
    ("minutes", "attempt", "ended", "changes", "expected"),
    [
        (2, 1, None, {}, (SHOWN[2], "waits for the end of quiet hours")),
        (0, 1, 0, {}, ("2026-01-01T10:00:00Z", "waits for the end of quiet hours")),
        (0, 2, 0, {}, ("2026-01-01T10:00:00Z", "waits for the end of quiet hours")),
        (0, 1, 1, {}, (None, None)),
        (2, 2, 5, {}, (SHOWN[2], "waits for another attempt")),
        (0, 1, 0, {"quiet_hours": "override"}, (None, None)),
        (0, 1, 0, {"priority": "transactional"}, (None, None)),
        (
            2,
            1,
            5,
            {"local_time": {"at": "2026-01-01T09:00"}},
            (SHOWN[2], "waits for the local time of the next recipients"),
        ),
    ],
)
async def test_what_waits_for_a_time_of_day_says_so(
    api: Api,
    site: str,
    context: Context,
    minutes: int,
    attempt: int,
    ended: int | None,
    changes: dict[str, Any],
    expected: tuple[str | None, str | None],
) -> None:
    quiet = {"from": "21:00", "to": "07:00"}
    await api.patch(f"/v1/sites/{site}", {"settings": {"quiet_hours": quiet}})
    message = (await api.new_message(site, **changes))["id"]
    ends_at = context.clock.now() + MINUTE * (9 * 60 if ended is None else ended)
    await start(context, message, site, ("fcm", minutes, attempt), window_ends_at=ends_at)
    assert waiting(await api.get(f"/v1/sites/{site}/messages/{message}")) == expected
