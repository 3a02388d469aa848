"""An audience by expression or segment is settled when its message starts: nothing later changes it."""

from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.audience import AudienceSpec
from gateway.campaigns.expressions import Expression
from gateway.campaigns.freezing import read_expression, write_expression
from gateway.metrics import Metrics
from gateway.scheduler.freezer import Freezer
from gateway.scheduler.starter import Starter
from storage import segments, subscriptions
from storage.messages import MessageState
from storage.segments import Segment
from storage.subscriptions import SubscriptionState
from tests.unit.installation import Installation
from tests.unit.scheduler.test_starting import claim_all, members
from tests.unit.sending import start_due


def where(value: Any) -> Expression:
    return msgspec.convert(value, Expression)


async def save(installation: Installation, value: Any, name: str = "VIPs") -> Segment:
    now = installation.clock.now()
    segment = Segment(
        installation.context.ids.next(),
        installation.site.id,
        name,
        write_expression(where(value)),
        now,
        now,
    )
    await installation.database.write(lambda tx: segments.add(tx, segment))
    return segment


async def test_an_expression_addresses_those_whom_it_means(installation: Installation) -> None:
    vips = await installation.subscribe(30, tags=("vip",))
    await installation.subscribe(30, tags=("other",))
    germans = await installation.subscribe(25, provider="mozilla", language="de-AT")
    message = await installation.add_message(
        AudienceSpec(where=where({"any": [{"tag": "vip"}, {"language": "de"}]}))
    )

    await start_due(installation, step=7)

    assert sorted(members(await claim_all(installation))) == vips + germans
    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.audience, progress.remaining) == (55, 55)


async def test_a_segment_that_changes_during_the_freeze_changes_nothing(installation: Installation) -> None:
    vips = await installation.subscribe(40, tags=("vip",))
    await installation.subscribe(40, tags=("b",))
    segment = await save(installation, {"tag": "vip"})
    message = await installation.add_message(AudienceSpec(segment=segment.id))
    await Starter(installation.context, Metrics()).step()
    freezer = Freezer(installation.context, Metrics(), step=3)
    await freezer.step()

    changed = where({"tag": "b"})
    await installation.database.write(
        lambda tx: segments.change(
            tx,
            Segment(segment.id, segment.site_id, "Others", write_expression(changed), 1, 2),
        )
    )
    await freezer.step()
    await installation.database.write(lambda tx: segments.delete(tx, segment.site_id, segment.id))
    while await Freezer(installation.context, Metrics(), step=3).step():  # another process, say
        pass

    assert sorted(members(await claim_all(installation))) == vips
    stored = await installation.message(message.id)
    assert stored.resolved is not None
    assert read_expression(stored.resolved) == where({"tag": "vip"})
    assert stored.audience == 40


async def test_within_counts_back_from_the_start_however_long_the_freeze_takes(
    installation: Installation,
) -> None:
    await installation.subscribe(5)
    installation.clock.advance(3_600)
    recent = await installation.subscribe(20)
    installation.clock.advance(1_800)
    await installation.add_message(AudienceSpec(where=where({"subscribed": {"within": "1h"}})))
    await Starter(installation.context, Metrics()).step()
    installation.clock.advance(7_200)  # everything was down

    await start_due(installation)

    assert sorted(members(await claim_all(installation))) == recent


async def test_a_segment_that_was_deleted_before_the_start_cancels_the_message(
    installation: Installation,
) -> None:
    await installation.subscribe(3)
    segment = await save(installation, {"tag": "vip"})
    message = await installation.add_message(AudienceSpec(segment=segment.id))
    await installation.database.write(lambda tx: segments.delete(tx, segment.site_id, segment.id))

    await start_due(installation)

    stored = await installation.message(message.id)
    assert stored.state is MessageState.CANCELLED
    assert stored.state_reason == "its segment was deleted before it started"
    assert await claim_all(installation) == []


async def test_an_expression_that_holds_for_nobody_is_a_message_to_nobody(installation: Installation) -> None:
    await installation.subscribe(30)
    message = await installation.add_message(AudienceSpec(where=where({"tag": "vip"})))
    await start_due(installation, step=4)
    assert (await installation.message(message.id)).audience == 0


async def test_who_cannot_be_sent_to_is_not_in_it(installation: Installation) -> None:
    first, *rest = await installation.subscribe(5, tags=("vip",))
    await installation.database.write(
        lambda tx: subscriptions.end(
            tx, installation.site.id, first, SubscriptionState.UNSUBSCRIBED, installation.clock.now()
        )
    )
    await installation.add_message(AudienceSpec(where=where({"tag": "vip"})))
    await start_due(installation)
    assert sorted(members(await claim_all(installation))) == rest


@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(tagged=st.lists(st.booleans(), max_size=40), step=st.integers(1, 9))
async def test_whatever_the_step_everybody_is_in_it_once(
    installation: Installation, tagged: list[bool], step: int
) -> None:
    tag = f"t{installation.context.ids.next()}"
    for each in tagged:
        await installation.subscribe(1, tags=(tag,) if each else ())
    for expression in ({"tag": tag}, {"any": [{"tag": tag}]}):  # by the index, and by a scan
        message = await installation.add_message(AudienceSpec(where=where(expression)))
        await start_due(installation, step)
        assert (await installation.message(message.id)).audience == sum(tagged)
    await claim_all(installation)
