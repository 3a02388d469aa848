"""Personal messages on their way: whoever their texts cannot be made for is counted, and holds up nobody."""

from gateway.content import Content, Notification, Options, PartialNotification
from storage.deliveries import Outcome
from tests.fakes.transport import CREATED, FakeTransport
from tests.unit.delivery.test_sender import payload_of, send_all
from tests.unit.installation import Installation
from tests.unit.sending import start_due

OPTIONS = Options(ttl=3_600)


async def test_each_visitor_reads_their_own_name_in_their_own_language(installation: Installation) -> None:
    await installation.subscribe(1, language="de", attributes={"name": "Ann"})
    await installation.subscribe(1, language="fr", attributes={"name": "Bob"})
    await installation.subscribe(1)
    content = Content(
        Notification("Hi {{ attributes.name | default: 'there' }}"),
        OPTIONS,
        translations={"de": PartialNotification("Hallo {{ attributes.name }}")},
    )
    message = await installation.add_message(content=content)
    await start_due(installation)
    transport = FakeTransport(lambda _: CREATED)

    await send_all(installation, transport, message.id)

    titles = {payload_of(request)["n"]["title"] for request in transport.posted}
    assert titles == {"Hallo Ann", "Hi Bob", "Hi there"}


async def test_whoever_has_no_text_is_counted_as_render_failed_with_a_reason(
    installation: Installation,
) -> None:
    [good] = await installation.subscribe(1, attributes={"people": 2})
    [bad] = await installation.subscribe(1)
    content = Content(Notification("Hi", body="{{ 10 | divided_by: attributes.people }} for each"), OPTIONS)
    message = await installation.add_message(content=content)
    await start_due(installation)
    transport = FakeTransport(lambda _: CREATED)

    await send_all(installation, transport, message.id)

    rows = await installation.deliveries(message.id)
    assert rows[good].outcome is Outcome.ACCEPTED
    assert (rows[bad].outcome, rows[bad].reason) == (Outcome.RENDER_FAILED, "body: FilterArgumentError")
    assert [payload_of(request)["n"]["body"] for request in transport.posted] == ["5 for each"]
    progress = await installation.progress(message.id)
    assert progress is not None
    assert progress.failures == {"render_failed": 1}


async def test_whoever_has_no_text_gets_the_fallback(installation: Installation) -> None:
    await installation.subscribe(2)
    content = Content(Notification("{{ attributes.none }}"), OPTIONS, fallback=Notification("News"))
    message = await installation.add_message(content=content)
    await start_due(installation)
    transport = FakeTransport(lambda _: CREATED)

    await send_all(installation, transport, message.id)

    assert [payload_of(request)["n"] for request in transport.posted] == [{"title": "News"}] * 2
