"""A message at the same time on everybody's clock: frozen once, due zone by zone."""

import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.campaigns.local_time import LocalTime, first_moment
from gateway.campaigns.plan import Timetable
from gateway.metrics import Metrics
from gateway.scheduler.freezer import Freezer
from gateway.scheduler.source import Step
from gateway.scheduler.starter import Starter
from storage import messages
from storage.batches import unpack
from storage.database import Transaction
from storage.messages import Message, MessageState
from storage.queries import Query
from tests.eventually import eventually
from tests.fakes.transport import FakeTransport
from tests.unit.installation import Installation
from tests.unit.sending import finish, nothing_left, sender, start_due

pytestmark = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)

BATCHES = "select due_at, members from batches order by due_at, id"
# Clocks are set forward in Berlin at two in the night of 29 March 2026, and in New York they were before.
AT = "2026-03-29T02:30"
TURNS = {
    "Pacific/Kiritimati": "2026-03-28T12:30",
    "Asia/Kathmandu": "2026-03-28T20:45",
    "Asia/Kolkata": "2026-03-28T21:00",
    "Europe/Berlin": "2026-03-29T01:00",  # there is no half past two: three o'clock
    "UTC": "2026-03-29T02:30",
    "America/St_Johns": "2026-03-29T05:00",
    "America/New_York": "2026-03-29T06:30",
    "Etc/GMT+12": "2026-03-29T14:30",
    None: "2026-03-29T01:00",  # the site is in Berlin
}


class Killed(BaseException):
    """In the place of a kill -9."""


async def nothing(tx: Transaction) -> None:
    """A body that only waits for its turn."""


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000)


async def add_local(installation: Installation, at: str = AT, late: str = "send", **fields: Any) -> Message:
    """As the API makes it."""
    rules = json.dumps({"local_time": {"at": at, "late": late}})
    return await installation.add_message(rules=rules, send_at=first_moment(LocalTime(at)), **fields)


async def turns(installation: Installation) -> dict[int, int]:
    """When whose batch is due; nobody is in two."""
    query = Query("test.batches", BATCHES, BATCHES)
    rows = await installation.database.read(lambda tx: tx.fetch(query))
    found = [(id, due_at) for due_at, members in rows for id in unpack(members)]
    assert len(dict(found)) == len(found)
    return dict(found)


async def everywhere(installation: Installation, each: int = 3) -> dict[int, int]:
    """Somebody in each zone, and when it is their turn."""
    await installation.set_quiet_hours(None, timezone="Europe/Berlin")
    return {
        id: ms(turn)
        for timezone, turn in TURNS.items()
        for id in await installation.subscribe(each, timezone=timezone)
    }


async def test_it_is_frozen_when_the_first_zone_has_it_and_due_zone_by_zone(
    installation: Installation,
) -> None:
    expected = await everywhere(installation)
    message = await add_local(installation)
    installation.clock.set_now(ms(TURNS["Pacific/Kiritimati"]) - 1)
    await start_due(installation)
    assert (await installation.message(message.id)).state is MessageState.SCHEDULED
    installation.clock.set_now(ms(TURNS["Pacific/Kiritimati"]))
    await start_due(installation)
    assert await turns(installation) == expected


async def test_each_zone_is_sent_to_at_its_time_and_nobody_before(installation: Installation) -> None:
    expected = await everywhere(installation)
    message = await add_local(installation, ttl=60)  # that long from each first attempt, not from the start
    installation.clock.set_now(ms(TURNS["Pacific/Kiritimati"]))
    await start_due(installation)
    transport = FakeTransport()
    by_time = Counter(expected.values())
    async with sender(installation, transport):
        for turn in sorted(by_time):
            installation.clock.advance((turn - 1 - installation.clock.now()) / 1_000)
            before = sum(n for at, n in by_time.items() if at < turn)
            await eventually(lambda before=before: len(transport.posted) == before)  # type: ignore[misc]
            installation.clock.advance(0.001)
            upto = before + by_time[turn]
            await eventually(lambda upto=upto: len(transport.posted) == upto)  # type: ignore[misc]
        await eventually(lambda: nothing_left(installation, message.id))
    await finish(installation)
    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.audience, progress.accepted) == (len(expected), len(expected))
    assert (await installation.message(message.id)).state is MessageState.SENT


async def test_a_freeze_that_is_killed_and_goes_on_later_finds_everybody_once(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = await everywhere(installation)
    await add_local(installation)
    start = ms(TURNS["Pacific/Kiritimati"])
    installation.clock.set_now(start)
    context = installation.context
    await Starter(context, Metrics()).step()
    freezer = Freezer(context, Metrics(), 5)
    read = freezer._read

    async def read_once(timetable: Timetable, cursor: int, sent: None) -> Step:
        if cursor:
            raise Killed
        return await read(timetable, cursor, sent)

    monkeypatch.setattr(freezer, "_read", read_once)
    with pytest.raises(Killed):
        await freezer.step()
    await installation.database.write(nothing)  # its first step, asked for before, may still be committed
    found = await turns(installation)
    installation.clock.advance(10 * 60)  # less than what counts as late
    await start_due(installation, step=4)
    late = start + 600_000
    frozen = {id: max(at, start if id in found else late) for id, at in expected.items()}
    assert await turns(installation) == frozen


@pytest.mark.parametrize("late", ["send", "next_day", "skip"])
async def test_whose_time_has_passed_is_sent_to_now_or_the_next_day_or_skipped(
    installation: Installation, late: str
) -> None:
    expected = await everywhere(installation, each=1)
    now = ms("2026-03-29T01:30")  # half past three in Berlin, half an hour after it
    installation.clock.set_now(now)
    message = await add_local(installation, late=late)
    await start_due(installation)
    found = await turns(installation)
    early = {id: at for id, at in expected.items() if at >= now}
    assert {id: at for id, at in found.items() if id in early} == early
    others = {found[id] for id in expected if id in found and id not in early}
    progress = await installation.progress(message.id)
    assert progress is not None
    assert progress.audience == len(TURNS)
    if late == "send":
        assert others == {now}
    elif late == "next_day":  # in Kiritimati it is Sunday afternoon already
        tomorrow = ["2026-03-29T12:30", "2026-03-29T20:45", "2026-03-29T21:00", "2026-03-30T00:30"]
        assert others == {ms(at) for at in tomorrow}
    else:
        assert others == set()
    assert progress.skips == ({"late": 5} if late == "skip" else {})


async def test_zones_whose_time_is_after_expires_at_expire(installation: Installation) -> None:
    expected = await everywhere(installation)
    ends_at = ms("2026-03-29T05:00")
    message = await add_local(installation, expires_at=ends_at)
    installation.clock.set_now(ms(TURNS["Pacific/Kiritimati"]))
    await start_due(installation)
    installation.clock.advance((ends_at - 1 - installation.clock.now()) / 1_000)
    transport = FakeTransport()
    async with sender(installation, transport):
        in_time = sum(at < ends_at for at in expected.values())
        await eventually(lambda: len(transport.posted) == in_time)
        installation.clock.advance(0.001)
    await finish(installation)
    progress = await installation.progress(message.id)
    assert progress is not None
    assert (progress.accepted, progress.expired) == (in_time, len(expected) - in_time)
    assert (await installation.message(message.id)).state is MessageState.SENT


async def test_local_times_within_quiet_hours_come_when_those_end(installation: Installation) -> None:
    await installation.set_quiet_hours("21:00", "07:00")
    [id] = await installation.subscribe(1, timezone="Europe/Berlin")
    message = await add_local(installation)
    installation.clock.set_now(ms(TURNS["Pacific/Kiritimati"]))
    await start_due(installation)
    assert await turns(installation) == {id: ms("2026-03-29T05:00")}
    [following] = await installation.database.read(lambda tx: messages.next_batches(tx, [message.id]))
    assert following.window_ends_at == ms("2026-03-29T19:00")
