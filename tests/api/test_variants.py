"""Variants, winners and roll-outs as admins ask for them, and what answers say of them."""

from typing import Any

import pytest

from gateway.context import Context
from gateway.metrics import Metrics
from gateway.scheduler.freezer import Freezer
from gateway.scheduler.stager import Stager
from gateway.scheduler.starter import Starter
from storage import batches, deliveries, events, subscriptions
from storage.batches import unpack
from storage.database import Transaction
from storage.deliveries import Outcome, Result
from storage.events import Event, EventKind
from storage.ids import Kind, decode_id
from storage.subscriptions import NewSubscription
from tests.api.conftest import NEW_MESSAGE, Api
from tests.fakes.clock import FakeClock

AB: list[dict[str, Any]] = [
    {"name": "A", "weight": 60},
    {"name": "B", "weight": 40, "notification": {"title": "Last hours", "data": {"b": 1}}},
]
WINNER: dict[str, Any] = {"sample": 20, "after": 3600, "default": "A", "displays": 1000}
VARIANTS: dict[str, Any] = {"options": AB, "holdout": 5, "winner": WINNER}
ROLLOUT: dict[str, Any] = {"first": 10, "after": 1800, "max_failure_rate": 0.1, "max_close_rate": 0.5}


def without(field: str) -> dict[str, Any]:
    return {name: value for name, value in VARIANTS.items() if name != field}


def winner(**changes: Any) -> dict[str, Any]:
    return {"variants": {**VARIANTS, "winner": {**WINNER, **changes}}}


def options(*weights: int, **second: Any) -> dict[str, Any]:
    made = [{"name": f"V{n}", "weight": weight} for n, weight in enumerate(weights)]
    made[1].update(second)
    return {"variants": {"options": made}}


async def test_rules_are_shown_as_they_were_asked_for(api: Api, site: str) -> None:
    asked: dict[str, Any] = {"variants": VARIANTS, "auto_pause": {"failure_rate": 0.2, "least": 300}}
    made = await api.new_message(site, **asked)
    assert {name: made[name] for name in asked} == asked
    assert made["rollout"] is None
    assert made["results"]["winner"] is None
    assert made["results"]["decision"] is None
    assert [each["name"] for each in made["results"]["variants"]] == ["A", "B"]


async def test_a_change_replaces_a_rule_and_null_takes_it_away(api: Api, site: str) -> None:
    made = await api.new_message(site, variants=VARIANTS, send_at="2026-06-01T00:00:00Z")
    path = f"/v1/sites/{site}/messages/{made['id']}"
    changed = await api.patch(path, {"variants": None, "rollout": ROLLOUT})
    assert changed["variants"] is None
    assert changed["rollout"] == {**ROLLOUT}
    assert "variants" not in changed["results"]


FEW = [f"visitor-{n}" for n in range(40)]
FEW_WITH_DATA = [{"external_id": name, "data": {}} for name in FEW]
ENOUGH = [f"visitor-{n}" for n in range(220)]


@pytest.mark.parametrize(
    "asked",
    [
        {**winner(), "audience": {"external_ids": ENOUGH}},
        {"rollout": {"first": 10, "then": "manual"}, "audience": {"external_ids": FEW[:10]}},
        {**winner(), "recurrence": {"cron": "0 9,11 * * *", "timezone": "UTC"}},
        {"rollout": {**ROLLOUT}, "recurrence": {"cron": "0 9 * * 1", "timezone": "UTC"}},
        {"variants": without("winner"), "dry_run": True},
    ],
)
async def test_rules_that_may_work_out_are_taken(api: Api, site: str, asked: dict[str, Any]) -> None:
    await api.new_message(site, **asked)


WRONG: list[tuple[dict[str, Any], str]] = [
    (options(50, 40), "variants.options"),
    ({"variants": {"options": AB[:1]}}, "variants.options"),
    (options(*[10] * 9, 5, 5), "variants.options"),
    (options(0, 100), "variants.options[0].weight"),
    (options(50, 50, name="V0"), "variants.options"),
    (options(50, 50, name=""), "variants.options[1].name"),
    (options(50, 50, notification={"colour": "red"}), "variants.options[1].notification.colour"),
    (options(50, 50, notification={"title": "{{"}), "variants.options[1].notification.title"),
    (options(50, 50, translations={"de": {"title": "x"}}), "variants.options[1].translations.de"),
    ({"variants": {"options": AB, "holdout": 100}}, "variants.holdout"),
    (winner(sample=0.001), "variants.winner.sample"),
    (winner(sample=0), "variants.winner.sample"),
    (winner(sample=100), "variants.winner.sample"),
    (winner(after=0), "variants.winner.after"),
    (winner(default="C"), "variants.winner.default"),
    (winner(displays=199), "variants.winner.displays"),
    ({**winner(), "expires_at": "2026-01-01T01:00:00Z"}, "variants.winner.after"),
    (
        {**winner(), "send_at": "2025-12-31T00:00:00Z", "expires_at": "2026-01-01T01:00:00Z"},
        "variants.winner.after",
    ),
    ({"variants": VARIANTS, "rollout": ROLLOUT}, "rollout"),
    ({"rollout": {**ROLLOUT, "first": 100}}, "rollout.first"),
    ({"rollout": {**ROLLOUT, "then": "perhaps"}}, "rollout.then"),
    ({"rollout": {**ROLLOUT, "max_failure_rate": 1.5}}, "rollout.max_failure_rate"),
    ({"rollout": ROLLOUT, "expires_at": "2026-01-01T00:30:00Z"}, "rollout.after"),
    ({"rollout": ROLLOUT, "local_time": {"at": "2026-12-01T09:00", "late": "send"}}, "rollout"),
    ({**winner(), "local_time": {"at": "2026-12-01T09:00", "late": "send"}}, "variants.winner"),
    ({"rollout": ROLLOUT, "best_hour": {"within_hours": 24}}, "best_hour"),
    ({"rollout": {"first": 10, "then": "manual", "after": 60}}, "rollout.after"),
    ({"rollout": {"first": 10, "then": "manual", "max_close_rate": 0.5}}, "rollout.max_close_rate"),
    ({"rollout": ROLLOUT, "dry_run": True}, "rollout"),
    ({**winner(), "dry_run": True}, "variants.winner"),
    ({**winner(), "recurrence": {"cron": "0 9,10 * * *", "timezone": "UTC"}}, "variants.winner.after"),
    ({"rollout": {"first": 5}, "recurrence": {"cron": "*/30 8 * * *", "timezone": "UTC"}}, "rollout.after"),
    ({**winner(), "audience": {"external_ids": FEW}}, "variants.winner.sample"),
    ({**winner(sample=99), "audience": {"recipients": FEW_WITH_DATA}}, "variants.winner.sample"),
    ({"rollout": {"first": 1}, "audience": {"external_ids": FEW[:10]}}, "rollout.first"),
    ({"auto_pause": {"failure_rate": 0}}, "auto_pause.failure_rate"),
    ({"auto_pause": {"failure_rate": 0.5, "least": 0}}, "auto_pause.least"),
]


@pytest.mark.parametrize(("changes", "path"), WRONG)
async def test_rules_that_make_no_sense_are_clear_errors(
    api: Api, site: str, changes: dict[str, Any], path: str
) -> None:
    problem = await api.post(f"/v1/sites/{site}/messages", {**NEW_MESSAGE, **changes}, 400)
    assert path in {error["path"] for error in problem["errors"]}, problem


async def test_each_variant_must_fit_into_a_push(api: Api, site: str) -> None:
    large = options(50, 50, notification={"body": "\u0001" * 700})
    problem = await api.post(f"/v1/sites/{site}/messages", {**NEW_MESSAGE, **large}, 413)
    assert problem["detail"].startswith("Variant 'V1' is ")


async def subscribe(context: Context, site: str, count: int) -> None:
    site_id = decode_id(Kind.SITE, site)
    new = [
        (
            context.ids.next(),
            NewSubscription(
                endpoint=f"https://fcm.googleapis.com/fcm/send/{n}",
                provider="fcm",
                p256dh=bytes(65),
                auth=bytes(16),
                created_at=context.clock.now(),
                key_id=1,
            ),
        )
        for n in range(count)
    ]
    await context.database.write(lambda tx: subscriptions.add_many(tx, site_id, new, context.clock.now()))


async def start(context: Context) -> None:
    await Starter(context, Metrics()).step()
    freezer = Freezer(context, Metrics())
    while await freezer.step():
        pass


async def send(context: Context, outcome: Outcome = Outcome.ACCEPTED) -> dict[int, list[int]]:
    """What is due; who got which variant."""
    now = context.clock.now()

    async def body(tx: Transaction) -> dict[int, list[int]]:
        shown: dict[int, list[int]] = {}
        claimed = await batches.claim(tx, "sender", now, 60_000, 100)
        for batch in claimed:
            ids = unpack(batch.members)
            shown.setdefault(batch.variant, []).extend(ids)
            results = [
                Result(batch.site_id, batch.message_id, id, "fcm", 1, batch.variant, outcome, None, 201, now)
                for id in ids
            ]
            await deliveries.record(tx, results)
        await batches.finish_many(tx, [batch.id for batch in claimed], "sender")
        return shown

    return await context.database.write(body)


async def report(
    context: Context, site: str, message: str, variant: int, ids: list[int], kind: EventKind
) -> None:
    site_id, message_id = decode_id(Kind.SITE, site), decode_id(Kind.MESSAGE, message)
    now = context.clock.now()
    await context.database.write(
        lambda tx: events.record(tx, [Event(site_id, message_id, id, variant, kind, None, now) for id in ids])
    )


async def test_results_say_how_each_variant_fares(api: Api, site: str, context: Context) -> None:
    await subscribe(context, site, 300)
    message = (await api.new_message(site, variants={"options": AB}))["id"]
    await start(context)
    shown = await send(context)
    await report(context, site, message, 1, shown[1][:80], EventKind.DISPLAYED)
    await report(context, site, message, 1, shown[1][:8], EventKind.CLICKED)

    results = (await api.get(f"/v1/sites/{site}/messages/{message}"))["results"]

    assert results["variants"] == [
        {
            "name": "A", "accepted": len(shown[0]), "displayed": 0, "clicked": 0,
            "click_rate": None, "low": None, "high": None,
        },
        {
            "name": "B", "accepted": len(shown[1]), "displayed": 80, "clicked": 8,
            "click_rate": 0.1, "low": 0.0515, "high": 0.1851,
        },
    ]  # fmt: skip
    assert (results["displayed"], results["clicked"]) == (80, 8)
    assert "winner" not in results


async def test_an_admin_chooses_the_winner(api: Api, site: str, context: Context) -> None:
    await subscribe(context, site, 300)
    message = (await api.new_message(site, variants=VARIANTS))["id"]
    path = f"/v1/sites/{site}/messages/{message}"
    await api.post(f"{path}/release", {"variant": "B"}, 409)
    await start(context)
    await send(context)
    assert (await api.get(path))["state_reason"] == "the rest waits for the winner among the variants"
    for wrong in ({}, {"variant": "C"}):
        problem = await api.post(f"{path}/release", wrong, 400)
        assert problem["errors"][0]["path"] == "variant"

    released = await api.post(f"{path}/release", {"variant": "B"}, 200)

    assert released["results"]["winner"] == "B"
    assert released["results"]["decision"] == "B, chosen by an admin"
    assert released["state_reason"] is None
    assert set(await send(context)) == {1}
    problem = await api.post(f"{path}/release", {"variant": "A"}, 409)
    assert problem["code"] == "wrong_state"
    audit = await api.get("/v1/audit")
    assert audit["items"][0]["action"] == "message.released"


async def test_a_message_says_until_when_its_rest_waits(
    api: Api, site: str, context: Context, clock: FakeClock
) -> None:
    await subscribe(context, site, 200)
    message = (await api.new_message(site, rollout=ROLLOUT))["id"]
    path = f"/v1/sites/{site}/messages/{message}"
    await start(context)
    assert (await api.get(path))["state_reason"] is None  # the first part goes on
    await send(context)
    waiting = await api.get(path)
    assert waiting["waiting_until"] is None
    assert waiting["state_reason"] == "the rest waits until the first part has shown how it goes"

    await Stager(context).step()
    assert (await api.get(path))["waiting_until"] == "2026-01-01T00:30:00Z"

    clock.advance(1_800)
    await Stager(context).step()
    after = await api.get(path)
    assert (after["state_reason"], after["waiting_until"]) == (None, None)
    assert after["results"]["decision"] == "the first part went well"


async def test_a_roll_out_by_hand_waits_for_an_admin(api: Api, site: str, context: Context) -> None:
    await subscribe(context, site, 200)
    message = (await api.new_message(site, rollout={"first": 10, "then": "manual"}))["id"]
    path = f"/v1/sites/{site}/messages/{message}"
    await start(context)
    first = await send(context)
    assert (await api.get(path))["state_reason"] == "the rest waits until an admin releases it"
    await api.post(f"{path}/release", {"variant": "A"}, 400)
    await api.post(f"{path}/pause", status=200)

    paused = await api.post(f"{path}/release", status=200)

    assert paused["state"] == "paused"
    assert await send(context) == {}
    await api.post(f"{path}/resume", status=200)
    assert len((await send(context))[0]) == 200 - len(first[0])


async def test_what_stopped_a_roll_out_is_said(
    api: Api, site: str, context: Context, clock: FakeClock
) -> None:
    await subscribe(context, site, 200)
    message = (await api.new_message(site, rollout=ROLLOUT))["id"]
    await start(context)
    first = await send(context, Outcome.REJECTED)
    await Stager(context).step()
    clock.advance(1_800)
    await Stager(context).step()

    stopped = await api.get(f"/v1/sites/{site}/messages/{message}")

    assert stopped["state"] == "paused"
    assert stopped["state_reason"] == (
        f"the roll-out has stopped: 100 % of {len(first[0])} answers are failures, more than 10 %"
    )


async def test_what_has_no_rest_cannot_be_released(api: Api, site: str, context: Context) -> None:
    message = (await api.new_message(site))["id"]
    await start(context)
    problem = await api.post(f"/v1/sites/{site}/messages/{message}/release", status=409)
    assert problem["detail"] == "Nothing of this message waits for a release."
