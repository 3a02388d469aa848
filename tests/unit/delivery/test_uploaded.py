"""Recipients that were uploaded: frozen by subscription, each told what is theirs, on both databases."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import http_ece

from gateway.audience import AudienceSpec
from gateway.scheduler.housekeeper import RECIPIENTS_KEPT, Housekeeper
from storage import recipients, subscriptions
from storage.database import Transaction
from storage.messages import Message, MessageState
from tests.eventually import eventually
from tests.fakes.transport import CREATED, FakeTransport
from tests.unit.installation import AUTH, BROWSER_KEY, Installation
from tests.unit.sending import finish, nothing_left, sender, start_due

LIST = 4_711


async def upload(installation: Installation, told: Mapping[str, Any]) -> Message:
    """A message to these, due now."""
    message = await installation.add_message(AudienceSpec(uploaded=LIST, names=len(told)))
    site_id, now = installation.site.id, installation.clock.now()
    rows = [(name, json.dumps(data)) for name, data in told.items()]

    async def body(tx: Transaction) -> None:
        await recipients.begin(tx, site_id, LIST, message.id, now)
        await recipients.add_many(tx, site_id, LIST, rows)
        assert await recipients.use(tx, site_id, LIST, message.id, now)

    await installation.database.write(body)
    return message


async def send(installation: Installation, message: Message) -> list[dict[str, Any]]:
    """The data of every notification that was posted."""
    transport = FakeTransport(lambda _: CREATED)
    async with sender(installation, transport):
        await eventually(lambda: nothing_left(installation, message.id))
    await finish(installation)
    bodies = [
        http_ece.decrypt(request.body, private_key=BROWSER_KEY, auth_secret=AUTH)
        for request in transport.posted
    ]
    return [json.loads(body)["n"].get("data", {}) for body in bodies]


def numbers(found: Sequence[Mapping[str, Any]]) -> list[int]:
    return sorted(data["n"] for data in found)


async def test_each_is_told_what_is_theirs_in_steps_of_any_size(installation: Installation) -> None:
    told = {f"v{number}": {"n": number} for number in range(0, 60, 2)}
    for number in range(50):  # half of them are on the list; ten on the list are nobody
        await installation.subscribe(1, external_id=f"v{number}")
    await installation.subscribe(3)
    message = await upload(installation, told)
    await start_due(installation, step=7)

    found = await send(installation, message)

    assert numbers(found) == list(range(0, 50, 2))
    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.audience, progress.accepted) == (25, 25)
    stored = await installation.message(message.id)
    assert (stored.unknown, stored.state) == (5, MessageState.SENT)


async def test_a_name_means_all_its_subscriptions(installation: Installation) -> None:
    await installation.subscribe(2, external_id="a")
    message = await upload(installation, {"a": {"n": 1}})
    await start_due(installation)
    assert numbers(await send(installation, message)) == [1, 1]


async def test_who_changes_names_while_it_freezes_is_judged_once(installation: Installation) -> None:
    """By names one would count twice, or stay over for ever."""
    [early, _] = await installation.subscribe(2, external_id="a")
    message = await upload(installation, {"a": {"n": 1}, "b": {"n": 2}})
    await start_due(installation, step=1)
    change = subscriptions.Change(external_id="b")
    await installation.database.write(
        lambda tx: subscriptions.change(tx, installation.site.id, early, change)
    )

    found = await send(installation, message)

    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.audience, progress.accepted, progress.remaining) == (2, 2, 0)
    assert numbers(found) == [1, 2]  # what is told is the name's of the moment in which it is sent


async def test_who_is_nobody_of_the_list_any_more_gets_nothing(installation: Installation) -> None:
    [id] = await installation.subscribe(1, external_id="a")
    message = await upload(installation, {"a": {"n": 1}})
    await start_due(installation)
    change = subscriptions.Change(external_id="somebody else")
    await installation.database.write(lambda tx: subscriptions.change(tx, installation.site.id, id, change))

    assert await send(installation, message) == []

    progress = await installation.progress(message.id)
    assert progress is not None
    assert progress.failures == {"render_failed": 1}


async def test_the_list_is_removed_a_while_after_the_end(installation: Installation) -> None:
    await installation.subscribe(1, external_id="a")
    message = await upload(installation, {"a": {"n": 1}})
    await start_due(installation)
    await send(installation, message)
    keeper = Housekeeper(installation.context)

    async def kept() -> bool:
        return await installation.database.read(lambda tx: recipients.exists(tx, installation.site.id, LIST))

    await keeper.step()
    assert await kept()
    installation.clock.advance(RECIPIENTS_KEPT / 1_000 + 1)
    await keeper.step()
    assert not await kept()
