"""Messages that can be withdrawn, and push services that keep what they take."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from gateway.campaigns.rules import Rules, write_rules
from gateway.content import Content, Notification, Options
from gateway.messages import MessageWithProgress
from gateway.webpush import PushRequest, Reply
from gateway.withdrawals import withdraw_message
from storage import events
from storage.events import Event, EventKind
from storage.messages import Message, Progress
from storage.queries import Query
from tests.eventually import eventually
from tests.fakes.transport import FakeTransport
from tests.unit.installation import Installation
from tests.unit.sending import finish, nothing_left, sender, start_due

WITHDRAWABLE = write_rules(Rules(withdrawable=True))
KEPT = "https://updates.push.services.mozilla.com/m/{}"
TTL = 3_600
FALLBACK = Notification("See our site", url="https://example.com/")
CONTENT = Content(Notification("Sale", tag="sale"), Options(ttl=TTL), fallback=FALLBACK)


class PushServices(FakeTransport):
    """All take everything, and say as autopush does where it is kept."""

    def __init__(self) -> None:
        super().__init__(self.take)
        self.location = KEPT
        self.deletions = Reply(204)

    def take(self, request: PushRequest) -> Reply | None:
        if request.method == "DELETE":
            return self.deletions
        location = self.location.format(request.url.rpartition("/")[2])
        return Reply(201, [b"HTTP/2 201\r\n", f"location: {location}\r\n".encode()])

    def since(self, start: int) -> Counter[tuple[str, str]]:
        """Method and host of what was asked from there on."""
        return Counter((each.method, each.url.split("/")[2]) for each in self.posted[start:])


def field(request: PushRequest, name: str) -> str | None:
    found = [line.partition(": ")[2] for line in request.headers if line.startswith(f"{name}: ")]
    return found[0] if found else None


async def add(installation: Installation, **fields: Any) -> Message:
    return await installation.add_message(**{"content": CONTENT, "ttl": TTL, "rules": WITHDRAWABLE, **fields})


async def deliver(installation: Installation, message_id: int, transport: FakeTransport) -> Progress:
    await start_due(installation)
    async with sender(installation, transport):
        await eventually(lambda: nothing_left(installation, message_id))
    await finish(installation)
    progress = await installation.progress(message_id)
    assert progress is not None
    return progress


async def withdraw(installation: Installation, message: Message) -> MessageWithProgress:
    return await withdraw_message(installation.context, "a test", installation.site.id, message.id)


async def show(installation: Installation, message: Message, ids: Sequence[int]) -> None:
    kind, at = EventKind.DISPLAYED, installation.clock.now()
    seen = [Event(installation.site.id, message.id, id, 0, kind, None, at) for id in ids]
    await installation.database.write(lambda tx: events.record(tx, seen))


async def count(installation: Installation, table: str) -> int:
    text = f"select count(*) from {table}"
    query = Query("test.count", text, text)
    [(found,)] = await installation.database.read(lambda tx: tx.fetch(query))
    return int(found)


async def finished(installation: Installation, message_id: int) -> bool:
    await finish(installation)
    return await nothing_left(installation, message_id)
