import asyncio
from collections import Counter

from gateway.context import Context
from storage import messages
from storage.database import Transaction
from storage.ids import Kind, decode_id
from storage.messages import MessageState
from tests.api.conftest import Api
from tests.fakes.clock import FakeClock


async def start(context: Context, message: str) -> None:
    async def body(tx: Transaction) -> None:
        assert await messages.start(tx, decode_id(Kind.MESSAGE, message), context.clock.now(), 0)

    await context.database.write(body)


async def actions(api: Api) -> Counter[str]:
    entries = (await api.get("/v1/audit"))["items"]
    return Counter(each["action"] for each in entries)


async def test_a_sending_message_is_paused_and_goes_on(api: Api, site: str, context: Context) -> None:
    path = f"/v1/sites/{site}/messages/{(message := (await api.new_message(site))['id'])}"
    await start(context, message)
    paused = await api.post(f"{path}/pause", status=200)
    assert (paused["state"], paused["state_reason"]) == ("paused", "paused by an admin")
    assert paused["ended_at"] is None
    assert await api.get(path) == paused
    resumed = await api.post(f"{path}/resume", status=200)
    assert (resumed["state"], resumed["state_reason"]) == ("sending", None)
    assert resumed["started_at"] == paused["started_at"]
    counted = await actions(api)
    assert (counted["message.paused"], counted["message.resumed"]) == (1, 1)


async def test_a_message_paused_before_its_start_is_scheduled_again(api: Api, site: str) -> None:
    made = await api.new_message(site, send_at="2026-06-01T00:00:00Z")
    path = f"/v1/sites/{site}/messages/{made['id']}"
    assert (await api.post(f"{path}/pause", status=200))["state"] == "paused"
    assert (await api.patch(path, {"rate": 5}))["state"] == "paused"
    assert await api.post(f"{path}/resume", status=200) == {**made, "rate": 5}


async def test_pausing_twice_is_once(api: Api, site: str, clock: FakeClock) -> None:
    path = f"/v1/sites/{site}/messages/{(await api.new_message(site))['id']}"
    first = await api.post(f"{path}/pause", status=200)
    clock.advance(60)
    assert await api.post(f"{path}/pause", status=200) == first
    assert (await actions(api))["message.paused"] == 1


async def test_a_message_that_is_not_paused_cannot_be_resumed(api: Api, site: str, context: Context) -> None:
    path = f"/v1/sites/{site}/messages/{(message := (await api.new_message(site))['id'])}"
    assert "scheduled" in (await api.post(f"{path}/resume", status=409))["detail"]
    await start(context, message)
    assert (await api.post(f"{path}/resume", status=409))["code"] == "wrong_state"


async def test_a_message_that_has_ended_is_neither_paused_nor_resumed(
    api: Api, site: str, context: Context
) -> None:
    path = f"/v1/sites/{site}/messages/{(message := (await api.new_message(site))['id'])}"
    for state in (MessageState.CANCELLED, MessageState.SENT, MessageState.EXPIRED):

        async def end(tx: Transaction, state: MessageState = state) -> None:
            id = decode_id(Kind.MESSAGE, message)
            assert await messages.transition(tx, id, set(MessageState), state, None, context.clock.now())

        await context.database.write(end)
        assert state in (await api.post(f"{path}/pause", status=409))["detail"]
        assert (await api.post(f"{path}/resume", status=409))["code"] == "wrong_state"
    assert (await actions(api))["message.paused"] == 0


async def test_a_paused_message_is_cancelled(api: Api, site: str, context: Context) -> None:
    path = f"/v1/sites/{site}/messages/{(message := (await api.new_message(site))['id'])}"
    await start(context, message)
    await api.post(f"{path}/pause", status=200)
    cancelled = await api.post(f"{path}/cancel", status=200)
    assert (cancelled["state"], cancelled["state_reason"]) == ("cancelled", None)


async def test_another_sites_message_is_neither_paused_nor_resumed(api: Api, site: str) -> None:
    path = f"messages/{(await api.new_message(await api.new_site()))['id']}"
    await api.post(f"/v1/sites/{site}/{path}/pause", status=404)
    await api.post(f"/v1/sites/{site}/{path}/resume", status=404)


async def test_pausing_needs_the_scope_send(api: Api, site: str) -> None:
    path = f"/v1/sites/{site}/messages/{(await api.new_message(site))['id']}"
    reader = api.with_token(await api.new_token(site, "read", "manage"))
    await reader.post(f"{path}/pause", status=403)
    await reader.post(f"{path}/resume", status=403)


async def test_of_many_who_resume_at_once_one_does(api: Api, site: str, context: Context) -> None:
    path = f"/v1/sites/{site}/messages/{(message := (await api.new_message(site))['id'])}"
    await start(context, message)
    await api.post(f"{path}/pause", status=200)
    headers = {"Authorization": f"Bearer {api.token}"}
    answers = await asyncio.gather(*(api.client.post(f"{path}/resume", headers=headers) for _ in range(10)))
    assert sorted(each.status for each in answers) == [200] + [409] * 9
    assert (await actions(api))["message.resumed"] == 1
