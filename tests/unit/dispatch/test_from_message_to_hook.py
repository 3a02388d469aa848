"""The whole way: a message is sent to subscribers, and the site's server hears of it."""

import pytest

from gateway.webhooks.types import EventType
from gateway.webpush import Reply
from storage import messages
from storage.messages import MessageState
from storage.webhook_deliveries import DeliveryState
from tests.eventually import eventually
from tests.fakes.transport import CREATED, FakeTransport
from tests.unit.dispatch.stand import Stand
from tests.unit.sending import finish, nothing_left, sender, start_due

WANTED = (
    EventType.MESSAGE_STARTED,
    EventType.MESSAGE_SENT,
    EventType.PUSH_FAILED,
    EventType.SUBSCRIPTION_ENDED,
)


@pytest.mark.parametrize("wanted", [WANTED, (EventType.MESSAGE_SENT,)], ids=["all of it", "the end"])
async def test_a_message_is_told_of_from_its_start_to_its_end(
    stand: Stand, wanted: tuple[EventType, ...]
) -> None:
    there = stand.installation
    hook = await stand.webhook(types=wanted)
    await there.subscribe(3)
    message = await there.add_message()
    asked = iter(range(3))
    transport = FakeTransport(lambda _: Reply(410) if next(asked) == 0 else CREATED)
    there.clock.advance(3_600)  # nobody is so young that a 410 would be asked about again
    async with stand.runs():
        await start_due(there)
        async with sender(there, transport):
            await eventually(lambda: nothing_left(there, message.id))
        await finish(there)
        stored = await there.database.read(lambda tx: messages.by_ids(tx, [message.id]))
        assert stored[message.id].state is MessageState.SENT

        async def told() -> bool:
            events = [event for each in stand.receiver.received for event in each.events]
            return {event["type"] for event in events} == {type.value for type in wanted}

        await eventually(told)
        await eventually(lambda: _all_delivered(stand, hook))
    events = {event["type"]: event for each in stand.receiver.received for event in each.events}
    sent = events["message.sent"]["data"]
    assert (sent["state"], sent["audience"], sent["kind"]) == ("sent", 3, "once")
    if wanted is WANTED:
        failed = events["push.failed"]["data"]
        assert (failed["outcome"], failed["status"], failed["message"]) == ("gone", 410, sent["message"])
        ended = events["subscription.ended"]["data"]
        assert (ended["subscription"], ended["reason"]) == (failed["subscription"], "gone")


async def _all_delivered(stand: Stand, hook: int) -> bool:
    return all(each.state is DeliveryState.DELIVERED for each in await stand.deliveries(hook))
