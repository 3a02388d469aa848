from typing import Any

import pytest

from gateway.context import Context
from storage import subscriptions, throttles
from storage.database import Transaction
from storage.ids import Kind, decode_id
from storage.subscriptions import NewSubscription, SubscriptionState
from storage.throttles import EVERY_PROVIDER, EVERY_SITE, FOR_GOOD, MASS_GONE, TRUSTED
from tests.api.conftest import Api
from tests.fakes.clock import FakeClock


async def hold(
    context: Context, site: str | None, provider: str, seconds: float | None, reason: str = "retry_after"
) -> None:
    now = context.clock.now()
    site_id = EVERY_SITE if site is None else decode_id(Kind.SITE, site)
    until = FOR_GOOD if seconds is None else now + round(seconds * 1_000)
    await context.database.write(lambda tx: throttles.hold(tx, site_id, provider, until, reason, now, 2))


async def gone_subscription(api: Api, context: Context, site: str, provider: str = "fcm") -> str:
    """The path of one that the push service calls gone now."""
    id, site_id, now = context.ids.next(), decode_id(Kind.SITE, site), context.clock.now()
    new = NewSubscription(
        endpoint=f"https://fcm.googleapis.com/fcm/send/{id}",
        provider=provider,
        key_id=1,
        p256dh=bytes(65),
        auth=bytes(16),
        created_at=now,
    )

    async def body(tx: Transaction) -> None:
        await subscriptions.add_many(tx, site_id, [(id, new)], now)
        assert await subscriptions.end(tx, site_id, id, SubscriptionState.GONE, now)

    await context.database.write(body)
    found = (await api.get(f"/v1/sites/{site}/subscriptions?state=gone&limit=500"))["items"]
    return f"/v1/sites/{site}/subscriptions/{found[-1]['id']}"


async def state(api: Api, path: str) -> str:
    return str((await api.get(path))["state"])


async def latest_change(api: Api) -> dict[str, Any]:
    found: dict[str, Any] = (await api.get("/v1/audit"))["items"][0]
    return found


# --- what is held


async def test_what_is_held_is_shown_with_its_reason_and_until_when(
    api: Api, site: str, context: Context
) -> None:
    await hold(context, site, "fcm", 60)
    await hold(context, None, "apple", None, MASS_GONE)
    found = await api.get("/v1/throttles")
    assert found["items"] == [
        {
            "site": None,
            "provider": "apple",
            "held": True,
            "until": None,
            "reason": "mass_gone",
            "since": "2026-01-01T00:00:00Z",
            "failures": 2,
            "rate": None,
        },
        {
            "site": site,
            "provider": "fcm",
            "held": True,
            "until": "2026-01-01T00:01:00Z",
            "reason": "retry_after",
            "since": "2026-01-01T00:00:00Z",
            "failures": 2,
            "rate": None,
        },
    ]


async def test_what_is_over_is_not_shown_but_a_rate_stays(
    api: Api, site: str, context: Context, clock: FakeClock
) -> None:
    await hold(context, site, "fcm", 60)
    await hold(context, site, EVERY_PROVIDER, 60)
    await api.call("PUT", f"/v1/sites/{site}/rate", 200, json={"rate": 50})
    clock.advance(60)
    (shown,) = (await api.get("/v1/throttles"))["items"]
    assert (shown["site"], shown["provider"], shown["rate"]) == (site, None, 50)
    assert (shown["held"], shown["reason"], shown["until"], shown["since"]) == (False, None, None, None)


async def test_a_site_sees_its_own_and_whole_providers(api: Api, site: str, context: Context) -> None:
    await hold(context, site, "fcm", 60)
    await hold(context, await api.new_site(), "wns", 60)
    await hold(context, None, "apple", 60)
    reader = api.with_token(await api.new_token(site, "read"))
    found = (await reader.get(f"/v1/sites/{site}/throttles"))["items"]
    assert [(each["site"], each["provider"]) for each in found] == [(None, "apple"), (site, "fcm")]
    await reader.get("/v1/throttles", 403)


# --- a provider that is held


async def test_a_provider_is_resumed_and_who_was_gone_stays_so(api: Api, site: str, context: Context) -> None:
    gone = await gone_subscription(api, context, site)
    await hold(context, None, "fcm", None, MASS_GONE)
    assert await api.post("/v1/providers/fcm/resume", {"gone": "keep"}, 200) == {"reverted": 0}
    assert (await api.get("/v1/throttles"))["items"] == []
    assert await state(api, gone) == "gone"
    latest = await latest_change(api)
    assert (latest["action"], latest["target"], latest["site"]) == ("provider.resumed", "fcm", None)
    assert latest["detail"] == {"reason": "mass_gone", "gone": "keep", "reverted": 0}
    (row,) = await context.database.read(throttles.all)
    assert row.trusted_until == context.clock.now() + TRUSTED  # the guard leaves it alone for a day


async def test_who_was_wrongly_called_gone_is_active_again(
    api: Api, site: str, context: Context, clock: FakeClock
) -> None:
    long_gone = await gone_subscription(api, context, site)
    clock.advance(3_600)
    wrongly = [await gone_subscription(api, context, site)]
    elsewhere = await gone_subscription(api, context, await api.new_site(), "mozilla")
    clock.advance(50)
    await hold(context, None, "fcm", None, MASS_GONE)
    clock.advance(5)
    wrongly.append(await gone_subscription(api, context, site))  # was in flight
    clock.advance(7_200)
    assert await api.post("/v1/providers/fcm/resume", {"gone": "revert"}, 200) == {"reverted": 2}
    assert [await state(api, each) for each in wrongly] == ["active", "active"]
    assert (await api.get(wrongly[0]))["ended_at"] is None
    assert await state(api, long_gone) == "gone"
    assert await state(api, elsewhere) == "gone"
    assert (await api.get("/v1/throttles"))["items"] == []
    assert (await latest_change(api))["detail"] == {"reason": "mass_gone", "gone": "revert", "reverted": 2}


async def test_nothing_is_reverted_at_a_provider_that_is_held_for_another_reason(
    api: Api, site: str, context: Context
) -> None:
    gone = await gone_subscription(api, context, site)
    await hold(context, None, "fcm", 60, "breaker")
    problem = await api.post("/v1/providers/fcm/resume", {"gone": "revert"}, 409)
    assert "breaker" in problem["detail"]
    assert await state(api, gone) == "gone"
    assert await api.post("/v1/providers/fcm/resume", {"gone": "keep"}, 200) == {"reverted": 0}
    (row,) = await context.database.read(throttles.all)
    assert (row.not_before, row.reason, row.failures) == (0, None, 0)


async def test_a_provider_that_is_not_held_is_not_resumed(
    api: Api, site: str, context: Context, clock: FakeClock
) -> None:
    await hold(context, site, "fcm", 60)  # the site on it, not the provider
    await hold(context, None, "wns", 60)
    clock.advance(60)
    for provider in ("fcm", "wns", "apple"):
        problem = await api.post(f"/v1/providers/{provider}/resume", {"gone": "keep"}, 409)
        assert problem["code"] == "wrong_state"


@pytest.mark.parametrize("body", [{}, {"gone": "both"}, {"gone": "keep", "site": "site_x"}])
async def test_resuming_a_provider_says_what_becomes_of_the_gone(
    api: Api, context: Context, body: object
) -> None:
    await hold(context, None, "fcm", None, MASS_GONE)
    await api.post("/v1/providers/fcm/resume", body, 400)
    assert len((await api.get("/v1/throttles"))["items"]) == 1


# --- rates


async def test_a_sites_rate_is_set_and_lifted(api: Api, site: str) -> None:
    manager = api.with_token(await api.new_token(site, "manage", "read"))
    path = f"/v1/sites/{site}/rate"
    assert await (await manager.call("PUT", path, 200, json={"rate": 50})).json() == {"rate": 50}
    shown = (await manager.get(f"/v1/sites/{site}/throttles"))["items"]
    assert [(each["site"], each["provider"], each["rate"]) for each in shown] == [(site, None, 50)]
    latest = await latest_change(api)
    assert (latest["action"], latest["target"], latest["site"]) == ("site.rate_changed", site, site)
    assert latest["detail"] == {"rate": 50}
    await manager.call("PUT", path, 200, json={"rate": None})
    assert (await manager.get(f"/v1/sites/{site}/throttles"))["items"] == []


async def test_a_providers_rate_is_set_and_lifted(api: Api, site: str) -> None:
    path = "/v1/providers/wns/rate"
    await api.call("PUT", path, 200, json={"rate": 200})
    (shown,) = (await api.get(f"/v1/sites/{site}/throttles"))["items"]
    assert (shown["site"], shown["provider"], shown["rate"]) == (None, "wns", 200)
    latest = await latest_change(api)
    assert (latest["action"], latest["target"]) == ("provider.rate_changed", "wns")
    await api.call("PUT", path, 200, json={"rate": None})
    assert (await api.get("/v1/throttles"))["items"] == []


@pytest.mark.parametrize("body", [{}, {"rate": 0}, {"rate": 1.5}, {"rate": 1_000_001}, {"rate": 5, "per": 1}])
async def test_a_wrong_rate_is_refused(api: Api, site: str, body: object) -> None:
    await api.call("PUT", f"/v1/sites/{site}/rate", 400, json=body)
    await api.call("PUT", "/v1/providers/fcm/rate", 400, json=body)
    assert (await api.get("/v1/throttles"))["items"] == []


async def test_what_does_not_exist_has_no_rate_and_is_not_resumed(api: Api, site: str) -> None:
    await api.delete(f"/v1/sites/{site}")
    await api.call("PUT", f"/v1/sites/{site}/rate", 404, json={"rate": 1})
    await api.get(f"/v1/sites/{site}/throttles", 404)
    await api.call("PUT", "/v1/providers/nobody/rate", 404, json={"rate": 1})
    await api.post("/v1/providers/nobody/resume", {"gone": "keep"}, 404)


async def test_providers_are_not_a_sites_to_change(api: Api, site: str, context: Context) -> None:
    await hold(context, None, "fcm", None, MASS_GONE)
    manager = api.with_token(await api.new_token(site, "manage", "read", "send"))
    await manager.call("PUT", "/v1/providers/fcm/rate", 403, json={"rate": 1})
    await manager.post("/v1/providers/fcm/resume", {"gone": "keep"}, 403)
    assert (await api.get("/v1/throttles"))["items"][0]["held"]
    reader = api.with_token(await api.new_token(site, "read", "send"))
    await reader.call("PUT", f"/v1/sites/{site}/rate", 403, json={"rate": 1})
